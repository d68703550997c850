"""What a revision wants to run, and what of it runs already."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from apps.builds.models import Artifact
from apps.deployments.models import Workload
from apps.pods.environment import started_with
from apps.pods.models import Pod, Revision, Snapshot

NOT_RUNTIME = ("source", "build", "replicas", "env", "configs", "healthCheckPath", "healthCheckTimeout")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One instance a revision asks for. Two with the same fingerprint are started with the same everything."""

    app: str
    replica: int
    fingerprint: str
    disks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """A revision with its artifacts: everything that decides what runs."""

    revision: Revision
    snapshot: Snapshot
    artifacts: dict[str, Artifact]

    @classmethod
    def of(cls, revision: Revision) -> Release:
        builds = revision.builds.filter(artifact__isnull=False).select_related("artifact")
        return cls(revision, revision.snapshot(), {b.app: b.artifact for b in builds if b.artifact})

    def apps(self) -> list[str]:
        return [name for name, resource in self.snapshot.items() if resource.kind == "App"]

    def runs(self, app: str) -> bool:
        """Whether the app has processes: a static site has none."""
        artifact = self.artifacts.get(app)
        return self.snapshot[app].spec.get("type") != "static" and (artifact is None or artifact.kind != "static")

    def wanted(self) -> list[Wanted]:
        """Every instance, in the order they are started."""
        found = []
        for app in self.apps():
            if not self.runs(app):
                continue
            spec = self.snapshot[app].spec
            disks = tuple(mount["disk"] for mount in spec.get("mounts", []) if mount.get("disk"))
            fingerprint = self._fingerprint(app)
            found += [Wanted(app, n, fingerprint, disks) for n in range(1, spec.get("replicas", 1) + 1)]
        return found

    def _fingerprint(self, app: str) -> str:
        """The digest of what an instance is started with: its variables filled in, secrets by their versions."""
        spec: dict[str, Any] = self.snapshot[app].spec
        artifact = self.artifacts.get(app)
        whole = {
            "spec": {key: value for key, value in spec.items() if key not in NOT_RUNTIME},
            "started_with": started_with(self.snapshot, app),
            "artifact": artifact.manifest if artifact else None,
        }
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def running(pod: Pod) -> dict[tuple[str, int, str], Workload]:
    """What the pod has that is not on its way out, by app, replica and fingerprint; a serving one before others."""
    rows = Workload.objects.filter(pod=pod).exclude(state__in=("draining", "stopped")).order_by("serving", "created_at")
    return {(w.app, w.replica, w.fingerprint): w for w in rows}
