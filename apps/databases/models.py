"""What was done in databases and by whom, and statements people keep. Rows, values and passwords are in neither."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.accounts.models import Team
from apps.core.ids import new_id
from apps.infrastructure.models import Service
from apps.pods.models import Pod


class Entry(models.Model):
    """One thing somebody did, there before it is done. `person` and `pod_name` are what they were called.

    `pod` is none for a server that is no pod's, or of a pod that was deleted. `words`: the statement, or what was done
    in words; literals are left out where one may be a password. `token`: what cancels it while it runs.
    """

    RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"
    STATES = [(state, state) for state in (RUNNING, DONE, FAILED, CANCELLED)]

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    team = models.ForeignKey(Team, null=True, on_delete=models.CASCADE, related_name="database_entries")
    pod = models.ForeignKey(Pod, null=True, on_delete=models.SET_NULL, related_name="database_entries")
    pod_name = models.CharField(max_length=63, blank=True)
    server = models.CharField(max_length=63)
    database = models.CharField(max_length=128, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="database_entries"
    )
    person = models.CharField(max_length=254)
    kind = models.CharField(max_length=20)
    read_only = models.BooleanField(default=False)
    words = models.TextField()
    state = models.CharField(max_length=10, choices=STATES, default=RUNNING)
    rows = models.BigIntegerField(null=True)
    seconds = models.FloatField(null=True)
    error = models.CharField(max_length=300, blank=True)
    token = models.CharField(max_length=40, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "entries"
        indexes = (
            models.Index(fields=("pod", "server", "-id"), name="databases_of_server"),
            models.Index(fields=("user", "state"), name="databases_running"),
        )

    def __str__(self) -> str:
        return f"{self.kind} by {self.person} in {self.server} of {self.pod_name}"


class SavedStatement(models.Model):
    """A statement that is kept: by a team for a database of a pod, or by operators for an infrastructure service."""

    pod = models.ForeignKey(Pod, null=True, on_delete=models.CASCADE, related_name="saved_statements")
    service = models.ForeignKey(Service, null=True, on_delete=models.CASCADE, related_name="saved_statements")
    server = models.CharField(max_length=63)
    name = models.CharField(max_length=80)
    text = models.TextField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("pod", "server", "name"), name="databases_saved_name"),
            models.UniqueConstraint(fields=("service", "name"), name="databases_saved_for_service"),
        )

    def __str__(self) -> str:
        return self.name
