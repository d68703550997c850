"""Looking at repositories ahead of a deployment: asked for by people, done by a worker, one at a time."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.utils import timezone

from apps.audit import trail
from apps.builds import inspecting
from apps.builds.inputs import has_source
from apps.builds.models import Inspection
from apps.builds.stages.room import Interrupted
from apps.core.errors import NotFound, UserError
from apps.core.leases import Lease
from apps.core.states import move
from apps.deployments import wake as workers
from apps.deployments.errands import Errands, overtime
from apps.deployments.events import changed
from apps.pods.models import Pod, Resource

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
SECONDS = 120.0  # cloning and looking
DEADLINE = datetime.timedelta(minutes=15)  # waiting included
WINDOW = datetime.timedelta(minutes=10)
MOST = 20  # inspections of one pod in WINDOW
KEPT = 50  # inspections of one pod


@transaction.atomic
def inspect(*, pod: Pod, app: str, by: User | None, again: bool = False) -> Inspection:
    """Have the app of the draft (or of what was deployed last) looked at, as its settings are now.

    One that is under way, or has ended with the same inputs, is returned instead; `again`: only one under way. Raises
    NotFound for what is no app with a repository, UserError("too_many_inspections").
    """
    pod = Pod.objects.select_for_update(of=("self",)).select_related("head", "live").get(pk=pod.pk)
    resource = _shown(pod, app)
    found = inspecting.newest(resource, pod.pk)
    if found and (found.is_open or not again):
        return found
    now = timezone.now()
    if pod.inspections.filter(created_at__gt=now - WINDOW).count() >= MOST:
        words = f"The repositories of {pod.name} were looked at {MOST} times lately."
        hint = "Wait some minutes and look again; deploying is not held up by it."
        raise UserError("too_many_inspections", words, hint, status=429)
    made = Inspection.objects.create(pod=pod, deadline=now + DEADLINE, **inspecting.fields(resource))
    for old in pod.inspections.exclude(state__in=tuple(Inspection.moves)).order_by("-id")[KEPT:]:
        old.delete()
    trail.note("inspection.make", by=by, about=pod, part=app)
    log.info("inspection_asked", inspection=made.pk, pod=pod.pk, app=app, by=by.pk if by else None)
    changed(pod.pk)
    workers.wake(workers.INSPECT, made.pk)
    return made


def inspect_soon(*, pod: Pod, app: str, by: User | None) -> None:
    """`inspect` for what nobody asked for in so many words: what cannot be looked at now is not."""
    try:
        inspect(pod=pod, app=app, by=by)
    except UserError as error:
        log.info("inspection_not_begun", pod=pod.pk, app=app, code=error.code)


def _shown(pod: Pod, app: str) -> Resource:
    revision = pod.draft or pod.head or pod.live
    resource = revision.resources.filter(name=app).first() if revision else None
    if resource is None or not has_source(resource) or pod.deleting_at:
        raise NotFound("such app with a repository in this pod")
    return resource


def _work(row: Inspection, lease: Lease) -> None:
    move(row, "running", table=row.moves, where=lease.where)
    changed(row.pod_id)
    try:
        with inspecting.room_for(row, overtime(lease, SECONDS)) as room:
            plan, builder, found = inspecting.look(row, room)
            Inspection.objects.filter(pk=row.pk, **lease.where).update(**found)
            changed(row.pod_id)
            lacks = inspecting.lacking(plan, builder, room)
    except Interrupted as stopped:
        words = f"Looking at the repository took longer than {SECONDS:.0f} s."
        raise UserError("source_timeout", words, "Look again; a deployment has more time.") from stopped
    INSPECTIONS.end(row, lease, "done", lacks)


def tend() -> None:
    for row in INSPECTIONS.tend():
        inspecting.discard(row)


INSPECTIONS = Errands(
    Inspection,
    task=workers.INSPECT,
    work=_work,
    at_once=1,
    late=UserError(
        "inspection_deadline",
        "Nobody came to look at the repository in time.",
        "Look again; deploying is not held up by it.",
    ),
    broken=("The platform failed while looking at the repository.", "Look again."),
)
