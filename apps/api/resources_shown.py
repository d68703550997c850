"""Resources as the API shows them, with how they stand: only what is live can stand anyhow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.api import places
from apps.api.ids import OUTSIDE, revision_id, urn
from apps.api.kinds import Place, shown
from apps.deployments.models import Workload
from apps.pods import kinds
from apps.pods.contents import disks_used
from apps.pods.kinds.app import RESTING
from apps.pods.models import Pod, Resource, Revision, Snapshot

Json = dict[str, Any]
API_VERSION = "pod.brainpod.io/v1alpha1"
PHASES = {"starting": "Starting", "healthy": "Ready", "unhealthy": "Degraded", "lost": "Degraded"}


def content(resource: Resource, pod: Pod) -> Json:
    return {
        "apiVersion": API_VERSION,
        "kind": OUTSIDE[resource.kind],
        "metadata": {"name": resource.name, "namespace": "default"},
        "spec": shown(resource.kind, resource.spec, Place(pod.name, resource.name)),
    }


def listed(rows: Iterable[Resource], pod: Pod, revision: Revision, *, standing: bool = True) -> list[Json]:
    """`standing`: with how they stand now; of a revision of the past that says nothing."""
    live = pod.live.snapshot() if pod.live and standing else {}
    instances: dict[str, list[Workload]] = {}
    if live:
        for row in pod.workloads.filter(state__in=PHASES, yielded_to=None):
            instances.setdefault(row.app, []).append(row)
    return [_shown(row, pod, revision, status(row, live, instances)) for row in rows]


def _shown(resource: Resource, pod: Pod, revision: Revision, standing: Json | None) -> Json:
    ready = standing is not None and (standing.get("ready") or standing.get("phase") == "Ready")
    return {
        "urn": urn(resource.kind, resource.name),
        "content": content(resource, pod),
        "status": standing,
        "healthy": bool(ready),
        "_links": {
            "self": places.resource(pod.name, resource.kind, resource.name),
            "pod": places.pod(pod.name),
            "revision": places.revision(pod.name, revision.pk),
        },
    }


def status(resource: Resource, live: Snapshot, instances: Mapping[str, list[Workload]]) -> Json | None:
    """None for what is not live."""
    there = live.get(resource.name)
    if there is None or there.kind != resource.kind:
        return None
    if kinds.get(there.kind).runs:
        return _running(there, instances.get(there.name, []))
    if there.kind == "Disk":
        users = [name for name, one in live.items() if kinds.get(one.kind).runs and there.name in disks_used(one)]
        bound = any(instances.get(name) for name in users)
        return {"phase": "Bound" if bound else "Available", "bound": bound, "ready": True}
    if there.kind == "Route":
        return {"ready": bool(there.spec.get("enabled", True) and not there.spec.get("maintenance", False))}
    return {"ready": True}


def _running(resource: Resource, instances: list[Workload]) -> Json:
    """An app of which no instance runs, files or jobs alone, is ready once it is live."""
    replicas = [
        {"name": str(row), "phase": PHASES[row.state]} | ({"reason": why} if (why := row.failing or row.reason) else {})
        for row in instances
    ]
    phases = {str(one["phase"]) for one in replicas}
    if not replicas:
        phase = "Ready" if resource.spec.get("type") in RESTING else "Queued"
    else:
        phase = next(one for one in ("Degraded", "Starting", "Ready") if one in phases)
    ready = sum(one["phase"] == "Ready" for one in replicas)
    return {"phase": phase, "readyReplicas": ready, "replicas": replicas}


def mutation(pod: Pod, revision: Revision, rows: Iterable[Resource]) -> Json:
    """The answer to a change of the draft `revision`."""
    return {
        "revisionId": revision_id(revision.pk),
        "resources": listed(rows, pod, revision),
        "_links": {"pod": places.pod(pod.name), "revision": places.revision(pod.name, revision.pk)},
    }
