"""Backups, the plans by which they are made, and what was restored from them."""

from __future__ import annotations

import datetime
from pathlib import Path

from django.conf import settings
from django.db import models

from apps.core.ids import new_id
from apps.core.leases import Leased
from apps.core.schedules import Schedule
from apps.pods.models import Pod


class State(models.TextChoices):
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


OPEN = (State.PENDING, State.IN_PROGRESS)
MOVES = {
    "pending": frozenset({"in_progress", "failed"}),
    "in_progress": frozenset({"completed", "failed"}),
}


class Trigger(models.TextChoices):
    SCHEDULE = "schedule"
    MANUAL = "manual"


class Remote(models.TextChoices):
    """Of the copy elsewhere; empty where there is to be none."""

    NONE = "", "none"
    WAITING = "waiting"
    STORED = "stored"
    FAILED = "failed"


KIND_TITLES = {"Valkey": "Valkey with a server of its own", "ValkeyKeys": "Valkey at a shared server"}  # else as it is


class BackupKey(models.Model):
    """What new backups are sealed for: an age recipient, whose identity is in the secret store. The newest counts."""

    recipient = models.CharField(max_length=100)
    path = models.CharField(max_length=100)
    version = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.recipient


class BackupPlan(models.Model):
    """When a resource is backed up and what is kept. `kind`: what it is; what is called the same later and is of
    another kind is another resource. Empty of a plan that an earlier version made, until the next round.

    Kept are the newest `keep_last`, everything of the last `keep_days` days, and the newest of each of the last
    `keep_weeks` weeks: what any of the three names.
    """

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="backup_plans")
    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=20, blank=True, default="", db_default="")
    schedule = models.CharField(max_length=200)
    zone = models.CharField(max_length=200, default="UTC")
    keep_last = models.PositiveIntegerField(default=7)
    keep_days = models.PositiveIntegerField(default=0)
    keep_weeks = models.PositiveIntegerField(default=4)
    drills = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    next_at = models.DateTimeField()
    overdue_since = models.DateTimeField(null=True)

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("pod", "name"), name="one_backup_plan_per_resource"),)
        indexes = (models.Index(fields=("next_at",)),)

    def __str__(self) -> str:
        return f"{self.name}: {self.schedule}"

    @property
    def due(self) -> Schedule:
        return Schedule(self.schedule, self.zone)


class Backup(Leased):
    """One backup of one resource, and its file. `size` and `digest` are of the file, `raw_size` is of what is in it.

    `manifest`: what stands beside the file too; its `rows` are the rows of each table as (least, most), which differ
    only where rows came or went while it was made. `pinned`: no plan forgets it (apps/backups/pinned.py).
    """

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="backups")
    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=20)
    trigger = models.CharField(max_length=10, choices=Trigger.choices, default=Trigger.SCHEDULE)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=12, choices=State.choices, default=State.PENDING)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)
    file = models.CharField(max_length=150, blank=True)
    size = models.BigIntegerField(default=0)
    raw_size = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)
    manifest = models.JSONField(default=dict)
    remote = models.CharField(max_length=8, choices=Remote.choices, default=Remote.NONE, blank=True)
    remote_error = models.CharField(max_length=300, blank=True)
    remote_tried_at = models.DateTimeField(null=True)
    proven_at = models.DateTimeField(null=True)
    pinned = models.BooleanField(default=False, db_default=False)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("state",)), models.Index(fields=("pod", "name", "-id")))

    def __str__(self) -> str:
        return self.file or f"{self.name} ({self.state})"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def kind_title(self) -> str:
        return KIND_TITLES.get(self.kind, self.kind)

    @property
    def path(self) -> Path:
        return directory(self.pod_id) / self.file

    @property
    def seconds(self) -> float | None:
        if self.started_at and self.finished_at:
            return (self.finished_at - self.started_at).total_seconds()
        return None

    def file_name(self, moment: datetime.datetime) -> str:
        return f"{self.name}_{moment.astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}-{self.pk[-4:].lower()}"


class Lack(models.Model):
    """A resource that is live without any backup or plan, `since` it was seen so; `told`: the team knows."""

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=20)
    since = models.DateTimeField()
    told = models.BooleanField(default=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("pod", "name", "kind"), name="one_lack_per_resource"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.name} of {self.pod_id}"


class Purpose(models.TextChoices):
    RESTORE = "restore"  # into `target`, in the place of what is there
    DRILL = "drill"  # into nothing that stays: whether it could be
    SEED = "seed"  # into `target` of a child of the backup's pod, before anything there uses it


class Restore(Leased):
    """A backup being loaded. `step` is what is being done, in words; `scratch` what it is loaded into at first.

    `cleaned`: nothing of `scratch` is left. `rows`: what was counted in it.
    """

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="restores")
    backup = models.ForeignKey(Backup, on_delete=models.CASCADE, related_name="restores")
    target = models.CharField(max_length=63)
    purpose = models.CharField(max_length=8, choices=Purpose.choices, default=Purpose.RESTORE)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=12, choices=State.choices, default=State.PENDING)
    step = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)
    rows = models.JSONField(default=dict)
    cleaned = models.BooleanField(default=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("state",)),)

    def __str__(self) -> str:
        return f"{self.purpose} of {self.backup_id} into {self.target}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def scratch(self) -> str:
        return f"brainpod_scratch_{self.pk.lower()}"


def directory(pod_id: str) -> Path:
    """Where the backups of a pod are on this host."""
    return Path(settings.BRAINPOD.state) / "backups" / pod_id
