"""What a revision wants to run, and what of it runs already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps import engines
from apps.builds.models import Artifact
from apps.deployments.models import AppControl, Workload
from apps.engines.base import Engine
from apps.pods import kinds
from apps.pods.contents import disks_used
from apps.pods.environment import started_with
from apps.pods.kinds.app import RESTING
from apps.pods.models import Pod, Revision, Snapshot

NOT_RUNTIME = (
    "source", "build", "env", "configs", "scaling", "replicas", "minReplicas", "maxReplicas", "targetCpu",
    "targetMemory", "scaleCooldown", "sleepAfter", "jobs", "mcpKey",
    "healthCheckType", "healthCheckPath", "healthCheckCommand", "healthCheckTimeout", "healthCheckInterval",
    "healthCheckThreshold", "healthCheckAttemptTimeout",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """One instance a revision asks for. Two with the same fingerprint are started with the same everything."""

    app: str
    replica: int
    fingerprint: str
    disks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """A revision with its artifacts, and what was asked of its apps since: everything that decides what runs."""

    revision: Revision
    snapshot: Snapshot
    artifacts: dict[str, Artifact]
    controls: Mapping[str, AppControl]

    @classmethod
    def of(cls, revision: Revision) -> Release:
        builds = revision.builds.filter(artifact__isnull=False).select_related("artifact")
        artifacts = {b.app: b.artifact for b in builds if b.artifact}
        return cls(revision, revision.snapshot(), artifacts, controls_of(revision.pod_id))

    @property
    def engine(self) -> str:
        """The name of the one it is to run on."""
        return self.revision.engine or engines.default()

    @property
    def runner(self) -> Engine:
        return engines.named(self.engine)

    def apps(self) -> list[str]:
        return [name for name, resource in self.snapshot.items() if resource.kind == "App"]

    def databases(self) -> list[str]:
        """Servers of the pod's own. Apps need them: they are started first."""
        return [name for name, it in self.snapshot.items() if kinds.get(it.kind).server and not it.spec.get("server")]

    def allotted(self) -> list[str]:
        """Databases at shared servers, which nothing is started for."""
        return [name for name, it in self.snapshot.items() if kinds.get(it.kind).server and it.spec.get("server")]

    def runs(self, app: str) -> bool:
        """Whether the app has processes that stay: a static site has none, nor has what runs by the clock alone."""
        artifact = self.artifacts.get(app)
        return self.snapshot[app].spec.get("type") not in RESTING and (artifact is None or artifact.kind != "static")

    def rests(self, app: str) -> str:
        """Why `app` is to have no instance now: "stopped" | "asleep"; empty if it is to run.

        What fell asleep as something else than this release would start is started: a new version proves itself.
        """
        control = self.controls.get(app)
        if control is None:
            return ""
        if control.stopped_at:
            return "stopped"
        sleeps = control.asleep_since and self.snapshot[app].spec.get("sleepAfter", 0)
        return "asleep" if sleeps and control.asleep_as == self.fingerprint(app) else ""

    def count(self, app: str) -> int:
        """How many instances `app` is to have while it runs."""
        spec, control = self.snapshot[app].spec, self.controls.get(app)
        if spec.get("scaling", "fixed") != "auto":
            return int(spec.get("replicas", 1))
        least, most = spec["minReplicas"], spec["maxReplicas"]
        chosen = control.count if control else None
        return int(max(least, min(most, chosen or least)))

    def wanted(self) -> list[Wanted]:
        """Every instance, in the order they are started."""
        found = []
        for app in (*self.databases(), *self.apps()):
            if not self.runs(app) or self.rests(app):
                continue
            disks = self.disks(app)
            fingerprint = self.fingerprint(app)
            found += [Wanted(app, n, fingerprint, disks) for n in range(1, self.count(app) + 1)]
        return found

    def disks(self, app: str) -> tuple[str, ...]:
        """What `app` writes to; nothing for what is no part of this revision."""
        return disks_used(self.snapshot[app]) if app in self.snapshot else ()

    def fingerprint(self, app: str) -> str:
        """The digest of what an instance is started with: its variables filled in, secrets by their versions."""
        spec: dict[str, Any] = self.snapshot[app].spec
        artifact = self.artifacts.get(app)
        whole = {
            "spec": {key: value for key, value in spec.items() if key not in NOT_RUNTIME},
            "started_with": started_with(self.snapshot, app) if self.snapshot[app].kind == "App" else None,
            "artifact": artifact.manifest if artifact else None,
        }
        control = self.controls.get(app)
        if control and control.generation:  # not before the first restart: what runs from earlier versions stays
            whole["generation"] = control.generation
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def controls_of(pod_id: str) -> dict[str, AppControl]:
    """What was asked of the apps of a pod, by app."""
    rows = AppControl.objects.filter(pod=pod_id).select_related("stopped_by")
    return {control.app: control for control in rows}


def running(pod: Pod, engine: str) -> dict[tuple[str, int, str], Workload]:
    """What the pod has on `engine` that is not on its way out, by app, replica and fingerprint; a serving one before
    others."""
    rows = Workload.objects.filter(pod=pod).exclude(state__in=("draining", "stopped")).order_by("serving", "created_at")
    return {(w.app, w.replica, w.fingerprint): w for w in rows if (w.engine or engines.default()) == engine}
