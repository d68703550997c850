"""What the pages of revisions show."""

from __future__ import annotations

from typing import Any

from apps.dashboard.deployment_pages import rollback
from apps.engines.offers import TITLES
from apps.pods import kinds, moving
from apps.pods.diff import defaults, flatten
from apps.pods.kinds.job import Job
from apps.pods.models import Pod, Resource, Revision

PAGE = 50


def page_of_revisions(pod: Pod, before: str) -> dict[str, Any]:
    """The sealed revisions, newest first; `before` is a version to go on below."""
    rows = pod.revisions.exclude(sealed_at=None).select_related("author").order_by("-version")
    if before.isascii() and before.isdigit() and len(before) < 10:
        rows = rows.filter(version__lt=int(before))
    found = list(rows[: PAGE + 1])
    older = found[PAGE - 1].version if len(found) > PAGE else None
    return {"rows": found[:PAGE], "older": older, "filtered": bool(before), "a": None, "b": None}


def comparison(a: Revision, b: Revision) -> dict[str, Any]:
    """From `a` to `b`, in the order they were named."""
    return {"a": a, "b": b, "changes_shown": moving.changes(a, b)}


def revision_context(pod: Pod, revision: Revision) -> dict[str, Any]:
    is_live = revision.pk == pod.live_id
    return {
        "revision": revision,
        "resources": [(item, settings_of(item)) for item in revision.resources.all()],
        "deployments": revision.deployments.select_related("actor").order_by("-id")[:10],
        "builds": {build.app: build for build in revision.builds.all()},
        "is_live": is_live,
        "runs_on": TITLES[moving.engine_of(revision)],
        "rollback": None if is_live or pod.live is None else rollback(pod, revision),
    }


def settings_of(resource: Resource) -> list[tuple[str, Any]]:
    """The fields that are not the default, but for what the platform counts itself."""
    usual = defaults(resource.kind)
    if kinds.get(resource.kind).server:
        usual["credentials"] = resource.spec.get("credentials", usual["credentials"])
    given = [(path, value) for path, value in flatten(resource).items() if usual.get(path) != value and value != ()]
    return [(path, value) for path, value in given if not _usual_in_row(path, value)]


def _usual_in_row(path: str, value: Any) -> bool:
    """Whether a field of a row (`mounts./data.file`, `jobs.nightly.keep`) says nothing: it is empty, or the default."""
    rows, _, field = path.rpartition(".")
    if not rows.count("."):
        return False
    if rows.startswith("jobs.") and field in Job.model_fields:
        return bool(Job.model_fields[field].default == value)
    return value in ("", None)
