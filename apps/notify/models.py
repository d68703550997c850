"""Whom a team has told what happens, what there was to tell, and how the telling went: an outbox."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.accounts.models import Team
from apps.core.ids import new_id
from apps.core.leases import Leased
from apps.notify.events import title_of
from apps.pods.models import Pod


class Kind(models.TextChoices):
    WEBHOOK = "webhook", "Webhook"
    SLACK = "slack", "Slack"
    DISCORD = "discord", "Discord"
    TEAMS = "teams", "Microsoft Teams"
    EMAIL = "email", "E-mail"


class Endpoint(models.Model):
    """Where a team is told. The address, and of a webhook the key it is signed with, are in the secret store
    (`path`, `version`); `shown` is as much of the address as people see.

    `events`: the names it is told of; empty: all. `pods`: those it is told of, unless `all_pods`.
    `off_because`: why the platform switched it off, empty where a person did. `failing_since`: the first failure after
    the last success. `old_until`: until when the key that was replaced signs too.
    """

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="endpoints")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    shown = models.CharField(max_length=300)
    path = models.CharField(max_length=120)
    version = models.PositiveIntegerField()
    events = models.JSONField(default=list)
    all_pods = models.BooleanField(default=True)
    pods = models.ManyToManyField(Pod, related_name="+", blank=True)
    enabled = models.BooleanField(default=True)
    off_because = models.CharField(max_length=400, blank=True)
    failing_since = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    last_went = models.CharField(max_length=400, blank=True)
    rotated_at = models.DateTimeField(null=True)
    old_until = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "id")
        constraints = (models.UniqueConstraint(fields=("team", "name"), name="one_endpoint_per_name"),)

    def __str__(self) -> str:
        return self.name

    @property
    def old_counts(self) -> bool:
        return self.old_until is not None and self.old_until > timezone.now()

    @property
    def state(self) -> str:
        if not self.enabled:
            return "disabled"
        if self.last_at is None:
            return "waiting"
        return "failing" if self.failing_since else "working"

    def wants(self, event: str) -> bool:
        return not self.events or event in self.events


class Message(models.Model):
    """Something that happened, as it is told to everybody: `body` is the JSON, to the byte, that webhooks are sent."""

    id = models.CharField(primary_key=True, max_length=20, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    pod = models.ForeignKey(Pod, null=True, on_delete=models.CASCADE, related_name="+")
    event = models.CharField(max_length=40)
    body = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.id

    @property
    def title(self) -> str:
        return title_of(self.event)

    @staticmethod
    def new_id() -> str:
        return f"msg_{new_id()}"


class State(models.TextChoices):
    PENDING = "pending", "Waiting"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Given up"


class Delivery(Leased):
    """A message on its way to one endpoint. Whoever sends it holds its lease; `next_at`: when it is due.

    `tries`: since it was made or asked for again. `attempts`, the oldest first, each with `at` (ISO), `status` (null
    where there was no answer), `seconds`, `words` for people, and `answer`: the first characters of what came back.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, default=timezone.now)
    attempts = models.JSONField(default=list)
    again_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "deliveries"
        constraints = (models.UniqueConstraint(fields=("message", "endpoint"), name="one_delivery_per_endpoint"),)
        indexes = (models.Index(fields=("state", "next_at")), models.Index(fields=("endpoint", "-id")))

    def __str__(self) -> str:
        return f"{self.message_id} to {self.endpoint_id}"

    @property
    def words(self) -> str:
        """How it went last."""
        return str(self.attempts[-1]["words"]) if self.attempts else ""
