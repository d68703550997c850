"""Resources of a pod's head: read, made in batches, replaced, deleted. Each change is to the draft the team shares."""

from __future__ import annotations

import datetime
import uuid
from typing import Annotated, Any

from django.http import HttpResponse
from ninja import Body, Header, Query, Router

from apps.accounts.roles import Role
from apps.api import kinds, schemas
from apps.api.door import Request, operation
from apps.api.ids import KINDS, revision_pk
from apps.api.resources_shown import listed, mutation
from apps.api.revisions_shown import head_of, snapshot_of, unopened
from apps.core.errors import Detail, Invalid, NotFound
from apps.pods import actions, batch
from apps.pods.models import Pod, Resource, Revision
from apps.pods.resources import check_resource_name

router = Router(tags=["resources"])
ONE = "/pods/{pod}/resources/{kind}/{namespace}/{name}"
Which = Annotated[uuid.UUID | None, Query(description="A revision to read instead of the head (revisions:read).")]
When = Annotated[datetime.datetime | None, Query(description="Read what was live at that moment (revisions:read).")]
DryRun = Annotated[bool | None, Query(alias="dryRun", description="Only look whether it would go well.")]
IfMatch = Annotated[str, Header(alias="If-Match", description="The ETag that was read: 412 if it has changed since.")]


@operation(router, "GET", "/pods/{pod}/resources", "resources:read", answers={200: list[schemas.Resource]})
def list_resources(request: Request, pod: str, revision: Which = None, at: When = None) -> Any:
    """The resources of the pod's head, or of another revision."""
    found, row = _read(request, pod, revision, at)
    rows = sorted(snapshot_of(row).values(), key=lambda one: (one.kind, one.name))
    return listed(rows, found, row, standing=_present(found, row))


@operation(router, "GET", ONE, "resources:read", answers={200: schemas.Resource})
def get_resource(
    request: Request, response: HttpResponse, pod: str, kind: schemas.KindName, namespace: str, name: str,
    revision: Which = None, at: When = None,
) -> Any:  # fmt: skip
    """One resource of the pod's head, or of another revision. Its ETag goes into If-Match of a change."""
    found, row = _read(request, pod, revision, at)
    resource = _named(row, kind, namespace, name)
    response["ETag"] = f'"{resource.token}"'
    return listed([resource], found, row, standing=_present(found, row))[0]


@operation(
    router, "POST", "/pods/{pod}/resources", "resources:write", role=Role.DEVELOPER,
    answers={200: schemas.DryRunResult, 201: schemas.ResourceMutation},
)  # fmt: skip
def create_resources(
    request: Request, pod: str, payload: Annotated[list[schemas.Content], Body()], dry_run: DryRun = None
) -> Any:
    """Make several resources in the draft: all of them or none. With `dryRun=true` nothing changes."""
    found = request.auth.pod(pod)
    if not payload or len(payload) > actions.MOST_RESOURCES:
        raise Invalid([Detail("", f"The list must have 1 to {actions.MOST_RESOURCES} resources.")])
    wanted = [_created(one, found, number) for number, one in enumerate(payload)]
    several = batch.Batch(wanted, keep=True)
    try:
        if dry_run:
            with batch.rehearsed(pod=found, batch=several, by=request.auth.user):
                return 200, {"valid": True}
        row = batch.put(pod=found, batch=several, by=request.auth.user)
    except Invalid as error:
        raise Invalid([_outside(one, wanted) for one in error.details]) from None
    snapshot = row.snapshot()
    return 201, mutation(found, row, [snapshot[one.name] for one in wanted])


@operation(router, "PUT", ONE, "resources:write", role=Role.DEVELOPER, answers={200: schemas.ResourceMutation})
def replace_resource(
    request: Request, pod: str, kind: schemas.KindName, namespace: str, name: str,
    payload: Annotated[schemas.Content, Body()], if_match: IfMatch = "",
) -> Any:  # fmt: skip
    """Replace a resource of the draft as a whole: what is left out gets its default; secrets stay."""
    if wrong := [
        Detail(path, f"must be {said}, as in the address.")
        for path, here, said in (("kind", payload.kind, kind), ("metadata.name", payload.metadata.name, name))
        if here != said
    ]:
        raise Invalid(wrong)
    found = request.auth.pod(pod)
    current = _named(head_of(found), kind, namespace, name)
    given = _given(payload, found, current)
    try:
        made = actions.save_resource(
            pod=found, by=request.auth.user, kind=current.kind, name=name, spec=given.spec, create=False,
            secrets=given.secrets, seen=_seen(if_match),
        )  # fmt: skip
    except Invalid as error:
        raise Invalid([Detail(kinds.outside(current.kind, one.path), one.message) for one in error.details]) from None
    return mutation(found, made.revision, [made])


@operation(router, "DELETE", ONE, "resources:write", role=Role.DEVELOPER, answers={200: schemas.ResourceMutation})
def delete_resource(
    request: Request, pod: str, kind: schemas.KindName, namespace: str, name: str, if_match: IfMatch = ""
) -> Any:
    """Take a resource out of the draft, which is opened if there is none."""
    found = request.auth.pod(pod)
    _named(head_of(found), kind, namespace, name)
    row = actions.delete_resource(pod=found, name=name, by=request.auth.user, seen=_seen(if_match))
    return mutation(found, row, [])


def _read(
    request: Request, name: str, revision: uuid.UUID | None, at: datetime.datetime | None
) -> tuple[Pod, Revision]:
    if revision is not None or at is not None:
        request.auth.require("revisions:read", name)
    if revision is not None and at is not None:
        raise Invalid([Detail("at", "stands beside revision: leave one of the two out.")])
    pod = request.auth.pod(name)
    if revision is not None:
        return pod, revision_of(pod, revision_pk(revision))
    return pod, head_of(pod) if at is None else _at(pod, at)


def revision_of(pod: Pod, pk: int) -> Revision:
    """The pod's revision with this number; 0: the draft that is yet to be opened. Raises NotFound."""
    if pk == 0 and head_of(pod).pk is None:
        return unopened(pod)
    row = pod.revisions.select_related("pod").filter(pk=pk).first()
    if row is None:
        raise NotFound("such revision of this pod")
    return row


def _at(pod: Pod, moment: datetime.datetime) -> Revision:
    """What was live then: the revision of the last deployment that had moved the traffic."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    moved = pod.deployments.filter(state="ready", switched_at__lte=moment).select_related("revision__pod")
    row = moved.order_by("-switched_at").first()
    if row is None:
        raise NotFound("revision of this pod that was live at that moment")
    return row.revision


def _present(pod: Pod, row: Revision) -> bool:
    return row.is_draft or row.pk in (pod.live_id, pod.head_id)


def _named(row: Revision, kind: str, namespace: str, name: str) -> Resource:
    found = snapshot_of(row).get(name)
    if namespace != "default" or found is None or found.kind != KINDS[kind]:
        raise NotFound("such resource in this pod")
    return found


def _given(content: schemas.Content, pod: Pod, current: Resource | None, prefix: str = "") -> kinds.Given:
    place = kinds.Place(pod.name, content.metadata.name, current.spec if current else None)
    try:
        return kinds.given(KINDS[content.kind], content.spec, place)
    except Invalid as error:
        raise Invalid([Detail(f"{prefix}{one.path}", one.message) for one in error.details]) from None


def _created(content: schemas.Content, pod: Pod, number: int) -> batch.Wanted:
    name = content.metadata.name
    try:
        check_resource_name(name)
    except Invalid as error:
        raise Invalid([Detail(f"{number}.metadata.name", one.message) for one in error.details]) from None
    given = _given(content, pod, None, f"{number}.")
    secrets = {secret: value for secret, value in given.secrets.items() if value is not None}
    return batch.Wanted(KINDS[content.kind], name, given.spec, frozenset(secrets), secrets, create=True)


def _outside(detail: Detail, wanted: list[batch.Wanted]) -> Detail:
    """`data.disk` → `1.spec.diskRef`."""
    name, _, path = detail.path.partition(".")
    for number, one in enumerate(wanted):
        if one.name == name:
            return Detail(f"{number}.{kinds.outside(one.kind, path)}".rstrip("."), detail.message)
    return detail


def _seen(if_match: str) -> str | None:
    """What If-Match says was seen; `*` is anything that is there."""
    given = if_match.strip()
    return None if given in ("", "*") else given.removeprefix("W/").strip('"')
