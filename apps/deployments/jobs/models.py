"""The jobs of what is live, and their runs."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.core.ids import new_id
from apps.core.leases import Leased
from apps.pods.models import Pod, Revision


class Job(models.Model):
    """A job of an app of the live revision: the row is made, changed and removed in the moment that moves traffic.

    `next_at`: when it is due next; None for one that is switched off. Everything before it was dealt with.
    """

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="jobs")
    app = models.CharField(max_length=63)
    name = models.CharField(max_length=40)
    schedule = models.CharField(max_length=200)
    zone = models.CharField(max_length=200)
    next_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("app", "name")
        constraints = (models.UniqueConstraint(fields=("pod", "app", "name"), name="one_row_per_job"),)
        indexes = (models.Index(fields=("next_at",)),)

    def __str__(self) -> str:
        return f"{self.app}: {self.name}"


class RunState(models.TextChoices):
    WAITING = "waiting"  # due, and not begun: no worker, no room, or the run before is being ended for it
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    MISSED = "missed"  # it was due while nothing could run it; `count` says how often
    SKIPPED = "skipped"  # the run before was not over
    CANCELLED = "cancelled"


OPEN_RUNS = (RunState.WAITING, RunState.RUNNING)

RUN_MOVES = {
    "waiting": frozenset({"running", "missed", "skipped", "cancelled", "failed"}),
    "running": frozenset({"succeeded", "failed", "cancelled"}),
}


class RunTrigger(models.TextChoices):
    SCHEDULE = "schedule"
    MANUAL = "manual"
    CATCH_UP = "catch up"


class JobRun(Leased):
    """One run of a job, or the note that one was missed. A run that has begun never begins again."""

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="job_runs")
    revision = models.ForeignKey(Revision, null=True, on_delete=models.SET_NULL, related_name="job_runs")
    app = models.CharField(max_length=63)
    job = models.CharField(max_length=40)
    trigger = models.CharField(max_length=10, choices=RunTrigger.choices, default=RunTrigger.SCHEDULE)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.WAITING)
    scheduled_for = models.DateTimeField(null=True)  # None: somebody asked for it
    begin_by = models.DateTimeField(null=True)  # when it has not begun by then, it was missed
    count = models.PositiveIntegerField(default=1)  # how many were missed
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    exit_code = models.IntegerField(null=True)
    peak_mb = models.PositiveIntegerField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    cancel_at = models.DateTimeField(null=True)
    cancelled_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("pod", "app", "job", "scheduled_for"),
                condition=Q(scheduled_for__isnull=False),
                name="one_run_per_job_and_time",
            ),
        )
        indexes = (models.Index(fields=("state",)), models.Index(fields=("pod", "app", "job")))

    def __str__(self) -> str:
        return f"{self.app}: {self.job}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_RUNS

    @property
    def stream(self) -> str:
        """The name of its log."""
        return f"jobrun:{self.id}"

    @property
    def seconds(self) -> float | None:
        if self.started_at and self.finished_at:
            return (self.finished_at - self.started_at).total_seconds()
        return None
