"""Who did what, when, to what, and from where. Rows are added, never changed, and go when they are old."""

from __future__ import annotations

import datetime
from typing import Any, NoReturn, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.audit.verbs import VERBS


class AppendOnly(TypeError):
    """Somebody tried to rewrite the log: a mistake in the program."""


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def update(self, **fields: Any) -> NoReturn:
        raise AppendOnly("entries of the audit log are never changed")

    def delete(self) -> NoReturn:
        raise AppendOnly("entries of the audit log are only pruned, by their age")

    def prune(self, days: int) -> int:
        """Remove what is older than `days`; how many that were."""
        old = self.filter(at__lt=timezone.now() - datetime.timedelta(days=days))
        return int(old._raw_delete(using=self.db))

    def shown(self) -> Self:
        """With what a page needs of each."""
        return self.select_related("team", "user")


class AuditEntry(models.Model):
    """`verb` is one of apps.audit.verbs; `name` and `object_id` say of what, as it was called then.

    `person` and `token` too are what they were called; `user` and `team` are empty once those are gone. Without a team
    it is the platform's. `details` has a few words and numbers, and no secret.
    """

    class Actor(models.TextChoices):
        USER = "user", "Person"
        TOKEN = "token", "Token"
        PLATFORM = "platform", "Platform"

    team = models.ForeignKey(
        "accounts.Team", null=True, on_delete=models.SET_NULL, related_name="audit", db_index=False
    )
    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor = models.CharField(max_length=8, choices=Actor.choices)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="audit")
    person = models.CharField(max_length=254, blank=True)
    token = models.CharField(max_length=100, blank=True)
    verb = models.CharField(max_length=40)
    name = models.CharField(max_length=200, blank=True)
    object_id = models.CharField(max_length=40, blank=True)
    address = models.CharField(max_length=45, blank=True)
    request = models.CharField(max_length=128, blank=True)
    details = models.JSONField(default=dict, blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "audit entries"
        indexes = (
            models.Index(fields=("team", "-id"), name="audit_of_a_team"),
            models.Index(fields=("verb", "-id"), name="audit_by_verb"),
        )

    def __str__(self) -> str:
        return f"{self.who} {self.words}: {self.name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("entries of the audit log are never changed")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("entries of the audit log are only pruned, by their age")

    @property
    def words(self) -> str:
        return VERBS.get(self.verb, self.verb)

    @property
    def who(self) -> str:
        if self.verb in ("signin.failed", "signin.second_failed"):
            return "Somebody"
        return self.person or "The platform"
