"""Deploying the newest commit of an app's branch: asked for by people, asked of the git host by a worker.

Hosts may be slow, so nobody's page waits for one. The rows say what there is to do; a wake-up that is lost, or a worker
that died, is made up for by `tend`. A row is ended in the transaction that starts its deployment: it leads to one, or
to none and says why, and never to two.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps import sources
from apps.audit import trail
from apps.builds.actions import has_source
from apps.connections.access import access
from apps.core import room
from apps.core.errors import Conflict, NotFound, PlatformError, UserError
from apps.core.failpoints import failpoint
from apps.core.leases import Lease, LeaseLost, acquire, kept
from apps.core.states import move
from apps.deployments import actions
from apps.deployments import wake as workers
from apps.deployments.events import changed
from apps.deployments.models import LOOKUP_MOVES, Lookup, Trigger
from apps.pods.models import Pod

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
DEADLINE = datetime.timedelta(minutes=10)  # waiting for a worker included
AT_ONCE = 2  # lookups under way; one a team, so that nobody's slow host holds up the others
KEPT = 50  # lookups of one pod


@transaction.atomic
def deploy_latest(*, pod: Pod, app: str, by: User | None) -> Lookup:
    """Have the newest commit of the app's branch deployed soon; the lookup under way, if there is one.

    Raises NotFound for what is no app with a repository in what is deployed, Conflict("pod_deleting"), and
    UserError("no_room").
    """
    room.check()  # at once, rather than after the host was asked
    pod = Pod.objects.select_for_update(of=("self",)).select_related("live", "head").get(pk=pod.pk)
    if pod.deleting_at:
        raise Conflict("pod_deleting", f"{pod.name} is being deleted.", "Nothing in it can be deployed any more.")
    repo, branch = _source(pod, app)
    if found := pod.lookups.filter(app=app, state="asking").first():
        return found
    made = Lookup.objects.create(
        pod=pod, app=app, repo=repo, branch=branch, actor=by, deadline=timezone.now() + DEADLINE
    )  # fmt: skip
    trail.note("deployment.latest", by=by, about=made, name=pod.name, part=app)
    for old in pod.lookups.exclude(state="asking").order_by("-id")[KEPT:]:
        old.delete()
    changed(pod.pk)
    workers.wake(workers.LOOK_UP, made.pk)
    return made


def _source(pod: Pod, app: str) -> tuple[str, str]:
    """The repository and branch of `app` in what will be live next."""
    base = actions.revision_under_way(pod) or pod.live or pod.head
    resource = base.snapshot().get(app) if base else None
    if resource is None or not has_source(resource):
        raise NotFound(f"app {app} with a repository in what is deployed")
    return resource.spec["source"]["repo"], resource.spec["source"].get("branch", "")


def run(lookup_id: str) -> None:
    """Work on a lookup until it has ended, if nobody does and there is room. Safe to call at any time."""
    row = Lookup.objects.select_related("pod__team", "actor").filter(pk=lookup_id, state="asking").first()
    if row is None or row.pod.deleting_at or not _has_room(row):
        return
    lease = acquire(row)
    if lease is None:
        return
    with kept(lease):
        if row.is_open:
            _work(row, lease)
    _wake_next()


def _has_room(row: Lookup) -> bool:
    asking = Lookup.objects.filter(state="asking", leased_until__isnull=False).exclude(pk=row.pk)
    busy = [other.pod.team_id for other in asking.select_related("pod") if other.held]
    return len(busy) < AT_ONCE and row.pod.team_id not in busy


def _work(row: Lookup, lease: Lease) -> None:
    try:
        with access(row.pod.team, row.repo) as way:
            commit = sources.source().resolve(row.repo, row.branch, credential=way.credential)
        failpoint("lookup.answered", row.pod_id)
        _deploy(row, lease, commit)
    except LeaseLost:
        log.info("lease_lost", lookup=row.pk)
    except UserError as error:
        _fail(row, lease, error)
    except PlatformError as error:
        log.exception("lookup_failed", lookup=row.pk, error_id=error.id)
        _fail(row, lease, UserError(error.code, f"{error.message} ({error.id})", error.hint))
    except Exception:
        failure = PlatformError("internal_error", "The platform failed while asking the git host.")
        log.exception("lookup_failed", lookup=row.pk, error_id=failure.id)
        _fail(row, lease, UserError(failure.code, f"{failure.message} ({failure.id})", "Try again."))


@transaction.atomic
def _deploy(row: Lookup, lease: Lease, commit: str) -> None:
    """Start the deployment and end the lookup, both or neither. Raises what deploy_commits raises, LeaseLost."""
    pod = Pod.objects.select_for_update(of=("self",)).select_related("live", "head").get(pk=row.pod_id)
    if _source(pod, row.app) != (row.repo, row.branch):
        words = f"{row.app} was given another repository or branch meanwhile."
        raise Conflict("source_changed", words, "Deploy the latest commit again.")
    made = actions.deploy_commits(
        pod=pod, commits={row.app: commit}, trigger=Trigger.MANUAL, by=row.actor, summary=""
    )  # fmt: skip
    if not move(
        row, "deployed", table=LOOKUP_MOVES, where=lease.where, deployment=made, finished_at=timezone.now()
    ):  # fmt: skip
        raise LeaseLost
    failpoint("lookup.ending", row.pod_id)


def _fail(row: Lookup, lease: Lease, error: UserError) -> None:
    """Nothing is written once the lease is lost, or the row gone with its pod."""
    if not Lookup.objects.filter(pk=row.pk).exists():
        return
    move(
        row, "failed", table=LOOKUP_MOVES, where=lease.where, finished_at=timezone.now(),
        error_code=error.code, error=error.message[:2000], hint=error.hint[:2000],
    )  # fmt: skip
    changed(row.pod_id)


def tend() -> None:
    """End what is past its deadline, and have what nobody works on worked on."""
    now = timezone.now()
    for row in Lookup.objects.filter(state="asking", deadline__lt=now):
        words = "The git host was not asked for the newest commit in time."
        if move(
            row, "failed", table=LOOKUP_MOVES, where={"fence": row.fence}, fence=F("fence") + 1, leased_until=None,
            finished_at=now, error_code="lookup_deadline", error=words, hint="Deploy the latest commit again.",
        ):  # fmt: skip
            changed(row.pod_id)
    _wake_next()


def _wake_next() -> None:
    """The oldest that may begin."""
    for row in Lookup.objects.filter(state="asking", pod__deleting_at=None).select_related("pod").order_by("id"):
        if not row.held and _has_room(row):
            workers.wake(workers.LOOK_UP, row.pk)
            return
