"""What happens to a revision: deployments, their stages, and the workloads an engine runs for them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.builds.models import Builder
from apps.core.ids import new_id
from apps.core.leases import Leased
from apps.pods.models import Pod, Revision


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
        indexes = (models.Index(fields=("state",)),)

    def __str__(self) -> str:
        return f"{self.revision} of {self.pod}"

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
            return (self.finished_at - self.started_at).total_seconds()
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
    `serving`: traffic goes to it (web) or it does the live revision's work (worker).
    `yielded_to`: stopped to give its disk to a newer one that has not proved itself yet; brought back if that fails.
    """

    id = models.CharField(primary_key=True, max_length=16, default=new_id, editable=False)
    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="workloads")
    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="workloads")
    deployment = models.ForeignKey(Deployment, null=True, on_delete=models.SET_NULL, related_name="workloads")
    app = models.CharField(max_length=63)
    replica = models.PositiveSmallIntegerField(default=1)
    fingerprint = models.CharField(max_length=64)
    state = models.CharField(max_length=10, default="starting")
    serving = models.BooleanField(default=False)
    yielded_to = models.ForeignKey(Deployment, null=True, on_delete=models.SET_NULL, related_name="+")
    handle = models.JSONField(default=dict)
    reason = models.CharField(max_length=300, blank=True)
    restarts = models.PositiveIntegerField(default=0)
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
    def stream(self) -> str:
        return f"workload:{self.id}"


class Duty(Leased):
    """Something only one worker does at a time: reconciling, tearing down a pod, maintenance."""

    name = models.CharField(primary_key=True, max_length=60)

    class Meta:
        verbose_name_plural = "duties"

    def __str__(self) -> str:
        return self.name
