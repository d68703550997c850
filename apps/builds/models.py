"""What was built of which source, so that nothing is ever built twice and a rollback never builds."""

from __future__ import annotations

from django.db import models

from apps.accounts.models import Team
from apps.core.ids import new_id
from apps.pods.models import Revision


class Artifact(models.Model):
    """What a build made: a manifest of content-addressed trees (apps.builds.bundle), or of static files."""

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10)  # bundle | static
    manifest = models.JSONField()
    size = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Build(models.Model):
    """One app of one sealed revision: the commit it is pinned to, and the artifact once there is one.

    `inputs` is the digest of everything in the spec that a build depends on: equal inputs and commit mean the same
    artifact serves.
    """

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="builds")
    app = models.CharField(max_length=63)
    inputs = models.CharField(max_length=64)
    commit = models.CharField(max_length=64, blank=True)
    author = models.CharField(max_length=200, blank=True)
    message = models.CharField(max_length=200, blank=True)
    plan = models.JSONField(null=True)
    artifact = models.ForeignKey(Artifact, null=True, on_delete=models.PROTECT, related_name="builds")
    created_at = models.DateTimeField(auto_now_add=True)
    built_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("revision", "app"), name="one_build_per_app_and_revision"),)
        indexes = (models.Index(fields=("inputs", "commit")),)

    def __str__(self) -> str:
        return f"{self.app} at {self.commit[:7] or 'the branch'}"
