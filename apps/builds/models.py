"""What was built of which source, so that nothing is ever built twice and a rollback never builds."""

from __future__ import annotations

import datetime

from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from apps.accounts.models import Team
from apps.builds.caching.place import PRODUCTION
from apps.core import holders
from apps.core.ids import new_id
from apps.pods.errands import Errand
from apps.pods.models import Pod, Revision

SILENT = datetime.timedelta(seconds=20)  # a builder that was not heard of for so long gets nothing to do


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
    artifact serves. `zone`: what code is built in an untrusted zone never reaches what production reads. `cold`: the
    app's settings have the build cache off.
    """

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="builds")
    app = models.CharField(max_length=63)
    inputs = models.CharField(max_length=64)
    commit = models.CharField(max_length=64, blank=True)
    author = models.CharField(max_length=200, blank=True)
    message = models.CharField(max_length=200, blank=True)
    plan = models.JSONField(null=True)
    zone = models.CharField(max_length=50, default=PRODUCTION)
    cold = models.BooleanField(default=False)
    artifact = models.ForeignKey(Artifact, null=True, on_delete=models.PROTECT, related_name="builds")
    created_at = models.DateTimeField(auto_now_add=True)
    built_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("revision", "app"), name="one_build_per_app_and_revision"),)
        indexes = (models.Index(fields=("inputs", "commit")), models.Index(fields=("commit",)))

    def __str__(self) -> str:
        return f"{self.app} at {self.commit[:7] or 'the branch'}"


class Promotion(models.Model):
    """That an app of `revision` is to be served by a `build` of another pod: put into a draft, and sealed with it.

    It counts while the app has the commit of the build, and `inputs`, what builds of it depend on, are what they were
    found to be the same as the build was made with (apps.builds.stored).
    """

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="promotions")
    app = models.CharField(max_length=63)
    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="promotions")
    inputs = models.CharField(max_length=64, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("app",)
        constraints = (models.UniqueConstraint(fields=("revision", "app"), name="one_promotion_per_app_and_revision"),)

    def __str__(self) -> str:
        return f"{self.app}: the artifact of {self.build.revision.pod}, revision {self.build.revision.version}"


class Builder(models.Model):
    """A machine that builds. It says every few seconds that it is there (apps.builds.fleet).

    `dedicated`: it builds and does nothing else; one that is not also releases what it built, and its place is taken
    until that is done. `capacity`: builds at once. `daemon`: the ID of the Docker daemon that keeps the images it
    builds; empty where none is asked for.
    """

    name = models.CharField(max_length=40, unique=True)
    region = models.CharField(max_length=40)
    capacity = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])
    labels = models.JSONField(default=list, blank=True)
    dedicated = models.BooleanField(default=True)
    daemon = models.CharField(max_length=100, default="", blank=True, editable=False)
    draining = models.BooleanField(default=False)  # by an operator: it ends what it has and gets nothing new
    holder = models.CharField(max_length=120, default="", editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    seen_at = models.DateTimeField(null=True, editable=False)  # None: it has taken its leave

    class Meta:
        ordering = ("region", "name")

    def __str__(self) -> str:
        return f"{self.name} in {self.region}"

    @property
    def alive(self) -> bool:
        return self.seen_at is not None and self.seen_at > timezone.now() - SILENT and not holders.gone(self.holder)

    @property
    def queue(self) -> str:
        """Where its messages go (Config.builder_queue)."""
        return f"builder.{self.name}"


class Runtime(models.Model):
    """Where the platform's engine runs images: one row, as a worker found it last (apps.builds.fleet)."""

    daemon = models.CharField(max_length=100)  # the ID of the Docker daemon
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.daemon


class PushedImage(models.Model):
    """An image that was sent to the registry, and stays there until nobody needs it (apps.builds.image.pruning).

    `name` is repository:tag. `digest` is empty until the registry has it. `scope`: whose builds may take layers from
    it, an app in a zone of trust (apps.builds.image.layers); empty: nobody's. No artifact owns the row: it outlives
    its build, its pod and a worker that died over the push.
    """

    name = models.CharField(max_length=400, unique=True)
    digest = models.CharField(max_length=80, blank=True)
    scope = models.CharField(max_length=40, blank=True, default="", db_default="")
    pushed_at = models.DateTimeField()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name

    @property
    def repository(self) -> str:
        return self.name.rpartition(":")[0]

    @property
    def tag(self) -> str:
        return self.name.rpartition(":")[2]

    @property
    def reference(self) -> str:
        """What it is pulled as."""
        return f"{self.repository}@{self.digest}"


class BuildRun(models.Model):
    """One try of one build, from the start of its clone to the end of its push: what build minutes are made of."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="build_runs")
    pod = models.ForeignKey(Pod, null=True, on_delete=models.SET_NULL, related_name="+")
    build = models.ForeignKey(Build, null=True, on_delete=models.SET_NULL, related_name="runs")
    pod_name = models.CharField(max_length=40)
    app = models.CharField(max_length=63)
    builder = models.CharField(max_length=40)
    outcome = models.CharField(max_length=10, default="running")  # running | built | failed | stopped
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("team", "started_at")),)

    def __str__(self) -> str:
        return f"{self.app} of {self.pod_name}"

    @property
    def seconds(self) -> float:
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()


class Inspection(Errand):
    """A look at an app's repository before anything is deployed: what a build of it would do.

    `inputs` is the digest of all that the answer depends on: where to look and what the settings override; `overrides`
    are those that say something. `commit` is the one that was looked at, pinned or the branch's. With `plan` (the plan
    as data, and in `origins` where its parts come from) an error says what the machine lacks to build it; without,
    why there is none.
    """

    moves = {"waiting": frozenset({"running", "failed"}), "running": frozenset({"done", "failed"})}

    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="inspections")
    app = models.CharField(max_length=63)
    inputs = models.CharField(max_length=64)
    repo = models.CharField(max_length=2000)
    branch = models.CharField(max_length=250, blank=True)
    root_dir = models.CharField(max_length=1000, blank=True)
    submodules = models.BooleanField(default=False)
    overrides = models.JSONField(default=dict)
    commit = models.CharField(max_length=64, blank=True)
    message = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, default="waiting")  # waiting | running | done | failed
    plan = models.JSONField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("pod", "app", "inputs")),)

    def __str__(self) -> str:
        return f"{self.app} at {self.commit[:7] or self.branch or 'the default branch'}"


class BuildCache(models.Model):
    """What builds of one app in one zone of trust keep for the next: see apps.builds.caching.

    `generation` is part of where it is kept: a clear raises it, and nothing kept before is found again. `parts` are
    bytes by part, as last measured; dependencies of equal content are stored once, and count for each app.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    pod = models.ForeignKey(Pod, on_delete=models.CASCADE, related_name="caches")
    app = models.CharField(max_length=63)
    zone = models.CharField(max_length=50, default=PRODUCTION)
    generation = models.PositiveIntegerField(default=1)
    size = models.BigIntegerField(default=0)
    files = models.BigIntegerField(default=0)
    entries = models.PositiveIntegerField(default=0)
    parts = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)
    tended_at = models.DateTimeField(null=True)
    cleared_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("pod", "app", "zone"), name="one_cache_per_app_and_zone"),)
        indexes = (models.Index(fields=("team", "last_used_at")),)

    def __str__(self) -> str:
        return f"{self.app}, {self.zone}"
