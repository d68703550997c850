"""What users describe: pods, their numbered revisions, and the resources of each."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models import Team
from apps.core.ids import new_id

if TYPE_CHECKING:
    from apps.accounts.models import User


class PodQuerySet(models.QuerySet["Pod"]):
    def visible_to(self, user: User) -> PodQuerySet:
        """The pods of the teams `user` is a member of."""
        return self.filter(team__in=Team.objects.of(user))


class Pod(models.Model):
    """What is deployed together and versioned together.

    `live` is the revision whose deployment was completed last: what runs, or should. `head` is the revision that was
    deployed last, whether it got there or not: what the next draft starts from.
    """

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="pods")
    name = models.CharField(max_length=40, unique=True)  # part of host names, hence unique on the platform
    region = models.CharField(max_length=40, default="local")  # where it is built
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    live = models.ForeignKey("Revision", null=True, on_delete=models.SET_NULL, related_name="+")
    head = models.ForeignKey("Revision", null=True, on_delete=models.SET_NULL, related_name="+")
    webhook_path = models.CharField(max_length=64, default="", blank=True)  # see apps.hooks: where the secret is kept
    deleting_at = models.DateTimeField(null=True, editable=False)

    objects = PodQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def draft(self) -> Revision | None:
        """The draft the team shares, if anybody changed something since the last deploy."""
        return self.revisions.filter(sealed_at=None).first()


class Revision(models.Model):
    """Everything that could run. A draft has no `sealed_at` and no `version`; a sealed revision never changes."""

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="revisions")
    version = models.PositiveIntegerField(null=True)
    parent = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="children")
    summary = models.CharField(max_length=200, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    sealed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-version",)
        constraints = (
            models.UniqueConstraint(fields=("pod", "version"), name="one_revision_per_version"),
            models.UniqueConstraint(fields=("pod",), condition=Q(sealed_at=None), name="one_draft_per_pod"),
            models.CheckConstraint(
                condition=Q(sealed_at=None, version=None) | Q(sealed_at__isnull=False, version__isnull=False),
                name="sealed_revisions_have_a_version",
            ),
        )

    def __str__(self) -> str:
        return f"v{self.version}" if self.version else "draft"

    @property
    def is_draft(self) -> bool:
        return self.sealed_at is None

    def snapshot(self) -> Snapshot:
        """Its resources by name."""
        return {r.name: r for r in self.resources.all()}


class Resource(models.Model):
    """One part of a revision. `spec` is what apps.pods.kinds.get(kind).Spec made of the input, as JSON."""

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="resources")
    kind = models.CharField(max_length=20)  # "App", "Route", "Config", "Disk"
    name = models.CharField(max_length=63)
    spec = models.JSONField(default=dict)

    class Meta:
        ordering = ("kind", "name")
        constraints = (models.UniqueConstraint(fields=("revision", "name"), name="one_resource_per_name"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def token(self) -> str:
        """What a form was filled from: changes when the kind or the spec does, and is the same in a copy."""
        content = json.dumps([self.kind, self.spec], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


class HostName(models.Model):
    """A host name has one owner: the route of a pod it was assigned to when the route was made.

    `route` empty: kept for the pod's first route, so that no route of another pod takes `<pod>.<domain>`.
    """

    host = models.CharField(max_length=253, unique=True)
    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="hosts")
    route = models.CharField(max_length=63, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("pod", "route"), name="one_host_per_route"),)

    def __str__(self) -> str:
        return self.host


Snapshot = dict[str, Resource]
Spec = dict[str, Any]
