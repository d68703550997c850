"""Who had a terminal where: a row for each session, kept whatever becomes of the pod. What is typed is nowhere."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.accounts.models import Team
from apps.core.ids import new_id
from apps.pods.models import Pod


class Ending(models.TextChoices):
    """Why a session is over; the label is what people read."""

    EXITED = "exited", "The shell ended."
    STOPPED = "stopped", "The instance ended, or was replaced."
    LEFT = "left", "The page was closed, or the connection lost."
    IDLE = "idle", "Nothing was typed for too long."
    LONGEST = "longest", "It lasted as long as a session may."
    DENIED = "denied", "Signed out, or no longer allowed to."
    ENDED = "ended", "An admin ended it."
    FLOOD = "flood", "More was sent than the app could take."
    REFUSED = "refused", "It could not be started."
    LOST = "lost", "The platform's own process ended."


class TerminalSession(models.Model):
    """`person`, `pod_name` and `instance` are what they were called; `workload` is the id of the instance.

    `seen_at` is renewed while the session is held: an open row that is not has lost its holder.
    """

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="terminals")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="terminals")
    person = models.CharField(max_length=254)
    pod = models.ForeignKey(Pod, null=True, on_delete=models.SET_NULL, related_name="terminals")
    pod_name = models.CharField(max_length=63)
    app = models.CharField(max_length=63)
    instance = models.CharField(max_length=80)
    workload = models.CharField(max_length=16)
    address = models.CharField(max_length=45, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    end_asked_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=10, choices=Ending.choices, blank=True)
    exit_code = models.IntegerField(null=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("ended_at", "seen_at"), name="terminals_open"),)

    def __str__(self) -> str:
        return f"{self.person} in {self.instance} of {self.pod_name}"

    @property
    def is_open(self) -> bool:
        return self.ended_at is None

    @property
    def seconds(self) -> float:
        return ((self.ended_at or timezone.now()) - self.started_at).total_seconds()
