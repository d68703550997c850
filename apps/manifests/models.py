"""Repositories that are looked through for files to import; what comes of it goes through the same page as any file."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.pods.errands import Errand
from apps.pods.models import Pod


class RepositoryImport(Errand):
    """A look into a repository for a file that says what a pod is made of; nothing of the pod is changed by it.

    `text`: the brainpod.yaml that was found or made; `report`: what became of the file, as the fields of
    apps.manifests.importing.report.Item.
    """

    moves = {"asking": frozenset({"found", "failed"})}

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="repository_imports")
    repo = models.CharField(max_length=2000)
    branch = models.CharField(max_length=250, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=10, default="asking")  # asking | found | failed
    commit = models.CharField(max_length=64, blank=True)
    files: Any = models.JSONField(default=list)  # names of those that were taken
    text = models.TextField(blank=True)
    report: Any = models.JSONField(default=list)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("pod", "repo", "branch"), condition=Q(state="asking"), name="one_import_per_branch"
            ),
        )

    def __str__(self) -> str:
        return f"{self.repo} at {self.branch or 'the default branch'}"
