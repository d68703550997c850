"""What happens to a revision: deployments, their stages, and the workloads an engine runs for them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps import engines
from apps.builds.models import Builder
from apps.core.ids import new_id
from apps.core.leases import Leased
from apps.deployments.jobs.models import Job, JobRun
from apps.engines.base import Engine
from apps.pods.errands import Errand
from apps.pods.models import Pod, Revision

__all__ = [
    "Deployment", "DeploymentState", "Duty", "Job", "JobRun", "StageRun", "Trigger", "Workload",
]  # fmt: skip


class DeploymentState(models.TextChoices):
    WAITING = "waiting"  # behind another deployment of the pod, or for a builder (`waits_for`)
    PENDING = "pending"  # under way
    DEGRADED = "degraded"  # launched, and the health check has not passed within its window: still being tried
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_STATES = (DeploymentState.WAITING, DeploymentState.PENDING, DeploymentState.DEGRADED)

DEPLOYMENT_MOVES = {
    "waiting": frozenset({"pending", "cancelled", "failed"}),
    "pending": frozenset({"ready", "failed", "degraded", "cancelled"}),
    "degraded": frozenset({"pending", "ready", "failed", "cancelled"}),
}


class Trigger(models.TextChoices):
    MANUAL = "manual"
    PUSH = "push"
    ROLLBACK = "rollback"
    REDEPLOY = "redeploy"
    DEMO = "demo"


class Deployment(Leased):
    """A revision being made to run. At most one per pod is under way; a newer waiting one replaces an older one."""

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="deployments")
    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="deployments")
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=10, choices=DeploymentState.choices, default=DeploymentState.WAITING)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    switched_at = models.DateTimeField(null=True)  # the moment traffic moved
    finished_at = models.DateTimeField(null=True)
    builder = models.ForeignKey(Builder, null=True, on_delete=models.SET_NULL, related_name="deployments")
    assigned_at = models.DateTimeField(null=True)  # when it was given to `builder`
    built_at = models.DateTimeField(null=True)  # when everything it needs was built
    waits_for = models.CharField(max_length=10, blank=True)  # slot | minutes | region | daemon | builder: dispatch.py
    deadline = models.DateTimeField(null=True)  # past it, the reconciler fails the deployment
    cancel_at = models.DateTimeField(null=True)  # when somebody asked for it to be cancelled
    cancelled_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    error_code = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("pod",), condition=Q(state__in=("pending", "degraded")), name="one_deployment_under_way_per_pod"
            ),
            models.UniqueConstraint(fields=("pod",), condition=Q(state="waiting"), name="one_deployment_waits_per_pod"),
        )
        indexes = (
            models.Index(fields=("state",)),
            models.Index(fields=("pod", "-id"), name="deployments_newest_of_a_pod"),
        )

    def __str__(self) -> str:
        return f"{self.revision} of {self.pod}"

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """A sealed revision never changes: one that was read stays, with the resources that it has read."""
        known = self._state.fields_cache.get("revision")
        super().refresh_from_db(*args, **kwargs)
        if known is not None and known.pk == self.revision_id and not known.is_draft:
            self.revision = known

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def stream(self) -> str:
        """The name of its log."""
        return f"deployment:{self.id}"


STAGES = ("clone", "detect", "secrets", "install", "build", "push", "launch", "health")
STAGE_TITLES = {
    "clone": "Clone",
    "detect": "Detect",
    "secrets": "Inject secrets",
    "install": "Install",
    "build": "Build",
    "push": "Push",
    "launch": "Launch",
    "health": "Health check",
}

STAGE_MOVES = {
    "pending": frozenset({"running", "skipped"}),
    "running": frozenset({"passed", "failed", "skipped"}),
}


class StageRun(models.Model):
    """One stage for one app. `note` says why it was skipped, or the one thing worth knowing of it."""

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="stages")
    stage = models.CharField(max_length=10)
    app = models.CharField(max_length=63)
    state = models.CharField(max_length=10, default="pending")  # pending | running | passed | failed | skipped
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("deployment", "stage", "app"), name="one_run_per_stage_and_app"),
        )

    def __str__(self) -> str:
        return f"{self.stage} {self.app}"

    @property
    def seconds(self) -> float | None:
        if self.started_at and self.finished_at:
            return max(0.0, (self.finished_at - self.started_at).total_seconds())  # the clock may have been set back
        return None


WORKLOAD_MOVES = {
    "starting": frozenset({"healthy", "unhealthy", "lost", "draining", "stopped"}),
    "healthy": frozenset({"unhealthy", "lost", "draining", "stopped", "starting"}),
    "unhealthy": frozenset({"healthy", "lost", "draining", "stopped", "starting"}),
    "lost": frozenset({"starting", "healthy", "unhealthy", "draining", "stopped"}),
    "draining": frozenset({"stopped"}),
}


class Workload(models.Model):
    """One instance of an app that an engine runs. The row is there before the process, and until after its end.

    `fingerprint` is the digest of everything it was started with: a revision that wants the same keeps it running.
    Empty: nobody wants it any more, since it is being sent away from its machine.
    `engine`: the name of the one that runs it, whatever its revision's is by now; empty, in rows from before there was
    a choice: the default.
    `serving`: traffic goes to it (web) or it does the live revision's work (worker).
    `released_at`: when traffic was taken from it; null while it serves, and for one that never did.
    `yielded_to`: stopped to give its disk to a newer one that has not proved itself yet; brought back if that fails.
    `failing`: what the health check of one that serves finds wrong, in words; empty while it passes.
    `since`: when it came into its state. `failed_starts`: in a row, the next try not before `retry_at`.
    """

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="workloads")
    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="workloads")
    deployment = models.ForeignKey(Deployment, null=True, on_delete=models.SET_NULL, related_name="workloads")
    app = models.CharField(max_length=63)
    replica = models.PositiveSmallIntegerField(default=1)
    fingerprint = models.CharField(max_length=64)
    engine = models.CharField(max_length=20, default="", db_default="", blank=True)
    state = models.CharField(max_length=10, default="starting")
    serving = models.BooleanField(default=False)
    yielded_to = models.ForeignKey(Deployment, null=True, on_delete=models.SET_NULL, related_name="+")
    released_at = models.DateTimeField(null=True)
    handle = models.JSONField(default=dict)
    reason = models.CharField(max_length=300, blank=True)
    failing = models.CharField(max_length=300, blank=True, default="", db_default="")
    since = models.DateTimeField(null=True)
    restarts = models.PositiveIntegerField(default=0)
    failed_starts = models.PositiveSmallIntegerField(default=0, db_default=0)
    retry_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    observed_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("app", "replica", "id")
        indexes = (models.Index(fields=("state",)),)

    def __str__(self) -> str:
        return f"{self.app}.{self.replica}"

    @property
    def address(self) -> str:
        return str(self.handle.get("address", ""))

    @property
    def runner(self) -> Engine:
        """The engine that runs it."""
        return engines.named(self.engine)

    @property
    def stream(self) -> str:
        return f"workload:{self.id}"


class AppControl(Leased):
    """What was asked of an app that runs, beside what its revision says; every release of the pod heeds it.

    `due`: what runs may differ from what is wanted; whoever brings them together (settling.py) takes it back, unless
    `version` has moved on meanwhile. `asleep_as`: the fingerprint of what was put to sleep: another one is started.
    """

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="controls")
    app = models.CharField(max_length=63)
    version = models.PositiveBigIntegerField(default=0)
    due = models.BooleanField(default=False)
    stopped_at = models.DateTimeField(null=True)
    stopped_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    generation = models.PositiveIntegerField(default=0)  # how often all its instances were asked to be started anew
    count = models.PositiveSmallIntegerField(null=True)  # instances the autoscaler chose
    scaled_at = models.DateTimeField(null=True)
    asleep_since = models.DateTimeField(null=True)
    asleep_as = models.CharField(max_length=64, blank=True)
    active_at = models.DateTimeField(null=True)  # last seen busy or woken, beside what the figures say
    refused_at = models.DateTimeField(null=True)  # when it last could not be woken

    class Meta:
        constraints = (models.UniqueConstraint(fields=("pod", "app"), name="one_control_per_app"),)
        indexes = (models.Index(fields=("due",)),)

    def __str__(self) -> str:
        return f"{self.app} of {self.pod}"


class Lookup(Errand):
    """The newest commit of an app's branch, asked of its git host in order to be deployed: at most one an app at once.

    It has led to `deployment`, or has failed.
    """

    moves = {"asking": frozenset({"deployed", "failed"})}

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="lookups")
    app = models.CharField(max_length=63)
    repo = models.CharField(max_length=2000)
    branch = models.CharField(max_length=250, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=10, default="asking")  # asking | deployed | failed
    deployment = models.ForeignKey(Deployment, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("pod", "app"), condition=Q(state="asking"), name="one_lookup_per_app"),
        )

    def __str__(self) -> str:
        return f"{self.app} at the tip of {self.branch or 'the default branch'}"


class AppEvent(models.Model):
    """Something that happened to an app that runs, in words for people. Rows are written once.

    `actor`: who asked for it; null for the platform.
    `instance`: to which of its instances, by the name people know: web.1. `workload`: by its id, which may be gone.
    """

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="events")
    app = models.CharField(max_length=63)
    at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=10)  # health | restart | … | job | domain, or of lifecycle.py
    words = models.CharField(max_length=300)
    level = models.CharField(max_length=5, default="info", db_default="info")  # info | warn | error
    instance = models.CharField(max_length=70, blank=True, default="", db_default="")
    workload = models.CharField(max_length=16, blank=True, default="", db_default="")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("pod", "app", "-id")),)

    def __str__(self) -> str:
        return self.words


class Duty(Leased):
    """Something only one worker does at a time: reconciling, tearing down a pod, maintenance."""

    name = models.CharField(primary_key=True, max_length=60)

    class Meta:
        verbose_name_plural = "duties"

    def __str__(self) -> str:
        return self.name
