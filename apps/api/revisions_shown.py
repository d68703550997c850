"""Pods and revisions as the API shows them. Queries stay as few for many pods as for one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Max

from apps.api import places
from apps.api.ids import revision_id
from apps.core.errors import NotFound
from apps.deployments.models import Deployment
from apps.pods.diff import content
from apps.pods.models import Pod, Resource, Revision, Snapshot

Json = dict[str, Any]
STATES = {
    "waiting": "pending", "pending": "pending", "degraded": "pending", "ready": "deployed", "failed": "failed",
    "cancelled": "canceled",
}  # fmt: skip
"""The state of a revision, by that of its newest deployment."""


def head_of(pod: Pod) -> Revision:
    """What edits go into or start from: the draft, what was deployed last, or the draft that is yet to be opened."""
    return pod.draft or pod.head or pod.live or unopened(pod)


def unopened(pod: Pod) -> Revision:
    """The empty draft of a pod that nobody has put anything into: of no row."""
    return Revision(pod=pod, created_at=pod.created_at)


def snapshot_of(revision: Revision) -> Snapshot:
    return revision.snapshot() if revision.pk else {}


def route_of(pod: Pod, name: str) -> Resource:
    """Of the head; one that is live and goes with the draft, too. Raises NotFound."""
    for revision in filter(None, (head_of(pod), pod.live)):
        there = snapshot_of(revision).get(name)
        if there is not None and there.kind == "Route":
            return there
    raise NotFound("such route in this pod")


def checksum(snapshot: Snapshot) -> str:
    """The same for what means the same."""
    return hashlib.sha256(json.dumps(content(snapshot), sort_keys=True).encode()).hexdigest()


@dataclass(slots=True)
class Facts:
    """What is known of several pods besides their rows. `pods` come with `head` and `live`."""

    pods: Sequence[Pod]
    drafts: dict[str, Revision] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    deployments: dict[int, Deployment] = field(default_factory=dict)

    @classmethod
    def of(cls, pods: Sequence[Pod], revisions: Iterable[Revision] = ()) -> Facts:
        """`revisions`: those of them that are shown besides heads and live ones."""
        found = cls(pods)
        keys = [pod.pk for pod in pods]
        found.drafts = {row.pod_id: row for row in Revision.objects.filter(pod__in=keys, sealed_at=None)}
        last = Revision.objects.filter(pod__in=keys).values_list("pod").annotate(Max("version"))
        found.versions = {pod: version or 0 for pod, version in last}
        wanted = {pk for pod in pods for pk in (pod.head_id, pod.live_id) if pk} | {
            row.pk for row in revisions if row.pk
        }
        rows = Deployment.objects.filter(revision__in=wanted).order_by("created_at", "id")
        found.deployments = {row.revision_id: row for row in rows}
        return found

    def head(self, pod: Pod) -> Revision:
        return self.drafts.get(pod.pk) or pod.head or pod.live or unopened(pod)

    def state(self, revision: Revision) -> str:
        if revision.is_draft:
            return "draft"
        newest = self.deployments.get(revision.pk)
        if newest is None:
            return "deployed" if revision.pk == revision.pod.live_id else "ready"
        return STATES[newest.state]

    def error(self, revision: Revision) -> str | None:
        newest = self.deployments.get(revision.pk)
        return f"{newest.error} {newest.hint}".strip() or None if newest else None

    def common(self, revision: Revision, pod: Pod) -> Json:
        """The version of a draft is the one it would get."""
        return {
            "id": revision_id(revision.pk),
            "parent": revision_id(revision.parent_id) if revision.parent_id else None,
            "version": revision.version or self.versions.get(pod.pk, 0) + 1,
            "summary": revision.summary or None,
            "error": self.error(revision),
            "createdAt": revision.created_at,
        }

    def shown(self, revision: Revision, pod: Pod) -> Json:
        links = {
            "self": places.revision(pod.name, revision.pk),
            "pod": places.pod(pod.name),
            "resources": places.resources(pod.name, revision.pk),
        }
        return self.common(revision, pod) | {
            "state": self.state(revision),
            "isLatest": revision.pk == self.head(pod).pk,
            "isDeployed": revision.pk is not None and revision.pk == pod.live_id,
            "_links": links,
        }

    def pod(self, pod: Pod, *, owner: bool) -> Json:
        names = ("revisions", "resources", "events", "images")
        return {
            "name": pod.name,
            "displayName": pod.name,
            "head": self._head(self.head(pod), pod),
            "deployed": self._head(pod.live, pod) if pod.live else None,
            "createdAt": pod.created_at,
            "isOwner": owner,
            "_links": {"self": places.pod(pod.name)} | {name: places.pod(pod.name, name) for name in names},
        }

    def _head(self, revision: Revision, pod: Pod) -> Json:
        links = {"self": places.revision(pod.name, revision.pk), "resources": places.resources(pod.name, revision.pk)}
        return self.common(revision, pod) | {"status": self.state(revision), "_links": links}
