"""Looking at repositories ahead of a deployment: asked for by people, done by a worker, one at a time.

The rows say what there is to do; a wake-up that is lost, or a worker that died, is made up for by `tend`.
"""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.audit import trail
from apps.builds import inspecting
from apps.builds.actions import has_source
from apps.builds.models import INSPECTION_MOVES, OPEN_INSPECTIONS, Inspection
from apps.builds.stages.room import Interrupted
from apps.core.errors import NotFound, PlatformError, UserError
from apps.core.leases import Lease, LeaseLost, acquire, kept
from apps.core.states import move
from apps.deployments import wake as workers
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
    for old in pod.inspections.exclude(state__in=OPEN_INSPECTIONS).order_by("-id")[KEPT:]:
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


def run(inspection_id: str) -> None:
    """Work on an inspection until it has ended, if nobody does and no other is under way. Safe to call at any time."""
    row = Inspection.objects.select_related("pod").filter(pk=inspection_id, state__in=OPEN_INSPECTIONS).first()
    if row is None or row.pod.deleting_at or not _has_room(row):
        return
    lease = acquire(row)
    if lease is None:
        return
    with kept(lease):
        if row.is_open:
            move(row, "running", table=INSPECTION_MOVES, where=lease.where)
            changed(row.pod_id)
            _work(row, lease)
    _wake_next()


def _has_room(row: Inspection) -> bool:
    others = Inspection.objects.filter(state__in=OPEN_INSPECTIONS, leased_until__isnull=False).exclude(pk=row.pk)
    return not any(other.held for other in others.only("leased_until", "holder"))


def _work(row: Inspection, lease: Lease) -> None:
    until = time.monotonic() + SECONDS

    def cancelled() -> bool:
        try:
            lease.check()
        except LeaseLost:
            return True
        return time.monotonic() > until

    try:
        with inspecting.room_for(row, cancelled) as room:
            plan, builder, found = inspecting.look(row, room)
            Inspection.objects.filter(pk=row.pk, **lease.where).update(**found)
            changed(row.pod_id)
            lacks = inspecting.lacking(plan, builder, room)
        _end(row, lease, "done", lacks)
    except Interrupted:
        words = f"Looking at the repository took longer than {SECONDS:.0f} s."
        _end(row, lease, "failed", UserError("source_timeout", words, "Look again; a deployment has more time."))
    except UserError as error:
        _end(row, lease, "failed", error)
    except PlatformError as error:
        log.exception("inspection_failed", inspection=row.pk, error_id=error.id)
        _end(row, lease, "failed", UserError(error.code, f"{error.message} ({error.id})", error.hint))
    except Exception:
        failure = PlatformError("internal_error", "The platform failed while looking at the repository.")
        log.exception("inspection_failed", inspection=row.pk, error_id=failure.id)
        _end(row, lease, "failed", UserError(failure.code, f"{failure.message} ({failure.id})", "Look again."))


def _end(row: Inspection, lease: Lease, state: str, error: UserError | None) -> None:
    """Nothing is written once the lease is lost, or the row gone with its pod."""
    if not Inspection.objects.filter(pk=row.pk).exists():
        return
    said = {"error_code": error.code, "error": error.message[:2000], "hint": error.hint[:2000]} if error else {}
    move(row, state, table=INSPECTION_MOVES, where=lease.where, finished_at=timezone.now(), **said)
    changed(row.pod_id)


def tend() -> None:
    """End what is past its deadline, and have what nobody works on worked on."""
    now = timezone.now()
    for row in Inspection.objects.filter(state__in=OPEN_INSPECTIONS, deadline__lt=now):
        Inspection.objects.filter(pk=row.pk).update(fence=F("fence") + 1, leased_until=None)
        words = "Nobody came to look at the repository in time."
        move(
            row, "failed", table=INSPECTION_MOVES, finished_at=now,
            error_code="inspection_deadline", error=words, hint="Look again; deploying is not held up by it.",
        )  # fmt: skip
        inspecting.discard(row)
        changed(row.pod_id)
    _wake_next()


def _wake_next() -> None:
    """The oldest that nobody works on; whoever ends it wakes the next."""
    for row in Inspection.objects.filter(state__in=OPEN_INSPECTIONS, pod__deleting_at=None).order_by("id"):
        if not row.held:
            workers.wake(workers.INSPECT, row.pk)
            return
