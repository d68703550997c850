"""Revisions: listed a page at a time, looked at, compared."""

from __future__ import annotations

import difflib
import json
import uuid
from typing import Annotated, Any

from django.db.models import F
from django.http import HttpResponse
from ninja import Query, Router

from apps.api import places, schemas
from apps.api.door import Request, operation
from apps.api.ids import OUTSIDE, parse_revision, revision_id, revision_pk
from apps.api.operations.resources import revision_of
from apps.api.resources_shown import content, listed
from apps.api.revisions_shown import Facts, checksum, snapshot_of, unopened
from apps.core.errors import Detail, Invalid
from apps.pods.diff import diff
from apps.pods.models import Pod, Resource, Revision

router = Router(tags=["revisions"])


@operation(router, "GET", "/pods/{pod}/revisions", "revisions:read", answers={200: schemas.RevisionList})
def list_revisions(
    request: Request,
    response: HttpResponse,
    pod: str,
    cursor: Annotated[uuid.UUID | None, Query(description="The x-next-cursor of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> Any:
    """A pod's revisions, the newest version first; the draft stands before them all."""
    found = request.auth.pod(pod)
    rows = _page(found, cursor, limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    here = places.pod(found.name, "revisions")
    further = places.query(here, limit=limit, cursor=revision_id(rows[-1].pk)) if more else None
    if further:
        response["x-next-cursor"] = revision_id(rows[-1].pk)
        response["Link"] = f'<{further["href"]}>; rel="next"'
    facts = Facts.of([found], rows)
    links = {"self": places.query(here, limit=limit, cursor=cursor), "next": further}
    return {"items": [facts.shown(row, found) for row in rows], "_links": links}


def _page(pod: Pod, cursor: uuid.UUID | None, limit: int) -> list[Revision]:
    rows = pod.revisions.select_related("pod").order_by(F("version").desc(nulls_first=True))
    if cursor is None:
        return list(rows[:limit]) or [unopened(pod)]
    last = pod.revisions.filter(pk=revision_pk(cursor)).first()
    if last is None:
        raise Invalid([Detail("cursor", "is none of this pod's: begin anew, without one.")])
    older = rows.filter(version__isnull=False) if last.version is None else rows.filter(version__lt=last.version)
    return list(older[:limit])


@operation(
    router, "GET", "/pods/{pod}/revisions/{revision}", "revisions:read", "resources:read",
    answers={200: schemas.RevisionDetail},
)  # fmt: skip
def get_revision(request: Request, pod: str, revision: str) -> Any:
    """A revision with its checksum and its resources."""
    found = request.auth.pod(pod)
    row = revision_of(found, parse_revision(revision))
    snapshot = snapshot_of(row)
    rows = sorted(snapshot.values(), key=lambda one: (one.kind, one.name))
    standing = row.is_draft or row.pk in (found.live_id, found.head_id)
    return Facts.of([found], [row]).shown(row, found) | {
        "checksum": checksum(snapshot),
        "resources": listed(rows, found, row, standing=standing),
    }


@operation(
    router, "GET", "/pods/{pod}/revisions/{revision}/diff", "revisions:read", answers={200: schemas.RevisionDiff}
)
def get_revision_diff(
    request: Request,
    pod: str,
    revision: str,
    base: Annotated[uuid.UUID | None, Query(description="Compared with instead of the parent.")] = None,
) -> Any:
    """What differs from the revision's parent, or from `base`, resource by resource; a patch is a unified diff."""
    found = request.auth.pod(pod)
    row = revision_of(found, parse_revision(revision))
    other = revision_of(found, revision_pk(base)) if base is not None else row.parent
    before, after = snapshot_of(other) if other else {}, snapshot_of(row)
    entries = [
        {
            "kind": OUTSIDE[change.kind],
            "name": change.name,
            "changeType": change.change,
            "patch": _patch(found, _of(before, change.kind, change.name), _of(after, change.kind, change.name)),
            "_links": {"self": places.resource(found.name, change.kind, change.name)},
        }
        for change in diff(before, after)
    ]
    here = places.revision(found.name, row.pk, "diff")
    return {
        "revision": revision_id(row.pk),
        "base": revision_id(other.pk) if other else None,
        "entries": entries,
        "_links": {"self": places.query(here, base=base), "revision": places.revision(found.name, row.pk)},
    }


def _of(snapshot: dict[str, Resource], kind: str, name: str) -> Resource | None:
    """A name may have gone from one kind to another."""
    found = snapshot.get(name)
    return found if found and found.kind == kind else None


def _patch(pod: Pod, before: Resource | None, after: Resource | None) -> str:
    old, new = ("/dev/null" if one is None else one.name for one in (before, after))
    return "".join(difflib.unified_diff(_lines(pod, before), _lines(pod, after), old, new))


def _lines(pod: Pod, resource: Resource | None) -> list[str]:
    if resource is None:
        return []
    return f"{json.dumps(content(resource, pod), indent=2, sort_keys=True, ensure_ascii=False)}\n".splitlines(True)
