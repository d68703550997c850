"""Copies of disks at one moment, and what is put back from them; and who did what with what is on disks."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.accounts.models import Team
from apps.core.ids import new_id
from apps.core.leases import Leased
from apps.deployments.disk_paths import disk_path
from apps.pods.models import Pod


class WorkState(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


OPEN = (WorkState.WAITING, WorkState.RUNNING)
MOVES = {
    "waiting": frozenset({"running", "failed"}),
    "running": frozenset({"ready", "failed"}),
}


class Work(Leased):
    """Something a worker does with a disk. Whoever takes it up after one that died goes on or begins anew."""

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    disk = models.CharField(max_length=63)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=10, choices=WorkState.choices, default=WorkState.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)  # workers that have taken it up
    reason = models.CharField(max_length=300, blank=True)  # why it failed
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


class Snapshot(Work):
    """The content of a disk at one moment, in a file of this host that goes with the pod.

    `size`: bytes of that file. `paused`: seconds in which the app was stopped for it. `former`: it is what a restore
    put aside, whose id this is.
    """

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="snapshots")
    note = models.CharField(max_length=200, blank=True)
    size = models.BigIntegerField(default=0)
    paused = models.FloatField(default=0)
    former = models.CharField(max_length=16, blank=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("pod", "disk")), models.Index(fields=("state",), name="snapshots_open"))

    def __str__(self) -> str:
        return f"{self.disk} of {self.pod}, {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def file(self) -> Path:
        return disk_path(self.pod_id, self.disk).parent.parent / "snapshots" / f"{self.id}.tar.zst"


class Restore(Work):
    """A snapshot of `disk` put onto the disk `target` of the same pod: that one again, or a new one.

    `keeps`: what was on it becomes a snapshot.
    """

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="disk_restores")
    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.SET_NULL, related_name="restores")
    target = models.CharField(max_length=63)
    keeps = models.BooleanField(default=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("pod", "disk")), models.Index(fields=("state",), name="restores_open"))

    def __str__(self) -> str:
        return f"{self.disk} of {self.pod} onto {self.target}"


class DiskAction(models.Model):
    """What somebody did with what is on a disk. Rows are written once, and outlive the pod.

    `person` and `pod_name` are what they were called; `path` is in printable letters (apps/disks/names.py).
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="disk_actions")
    pod = models.ForeignKey(Pod, null=True, on_delete=models.SET_NULL, related_name="disk_actions")
    pod_name = models.CharField(max_length=63)
    disk = models.CharField(max_length=63)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    person = models.CharField(max_length=254)
    did = models.CharField(max_length=20)  # Downloaded | Uploaded | …
    path = models.CharField(max_length=1000, blank=True)
    address = models.CharField(max_length=45, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("pod", "disk", "-id"), name="disk_actions_of_a_disk"),)

    def __str__(self) -> str:
        return f"{self.person}: {self.did} {self.path}"
