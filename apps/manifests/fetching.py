"""Importing from a repository: asked for by people, cloned and looked through by a worker.

Hosts may be slow, so nobody's page waits for one. The rows say what there is to do; a wake-up that is lost, or a worker
that died, is made up for by `tend`.
"""

from __future__ import annotations

import datetime
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.audit import trail
from apps.core import room
from apps.core.errors import Conflict, PlatformError, UserError
from apps.core.leases import Lease, LeaseLost, acquire, kept
from apps.core.states import move
from apps.deployments import wake as workers
from apps.deployments.events import changed
from apps.manifests.importing import repository
from apps.manifests.models import IMPORT_MOVES, RepositoryImport
from apps.pods.models import Pod
from apps.sources.urls import check_ref, check_url

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
FETCH, TEND = "manifests.fetch", "manifests.tend"
SECONDS = 120.0  # cloning and looking
DEADLINE = datetime.timedelta(minutes=15)  # waiting for a worker included
AT_ONCE = 2  # under way; one a team, so that nobody's slow host holds up the others
WINDOW = datetime.timedelta(minutes=10)
MOST = 20  # imports of one pod in WINDOW
KEPT = 20  # imports of one pod


def check(*, team: str, repo: str, branch: str) -> None:
    """Raises Invalid naming `repo` or `branch`. `team`: the slug of the one whose hosted repositories may be named."""
    check_url(repo, team=team, field="repo", allowed=settings.BRAINPOD.networks)
    if branch:
        check_ref(branch, field="branch")


@transaction.atomic
def ask(*, pod: Pod, repo: str, branch: str, by: User | None) -> RepositoryImport:
    """Have the repository looked through soon; the look at the same branch of it that is under way, if there is one.

    Raises as `check`, Conflict("pod_deleting"), UserError("too_many_imports" | "no_room").
    """
    check(team=pod.team.slug, repo=repo, branch=branch)
    room.check()  # at once, rather than after the host was asked
    pod = Pod.objects.select_for_update(of=("self",)).select_related("team").get(pk=pod.pk)
    if pod.deleting_at:
        raise Conflict("pod_deleting", f"{pod.name} is being deleted.", "Nothing can be imported into it any more.")
    if found := pod.repository_imports.filter(repo=repo, branch=branch, state="asking").first():
        return found
    now = timezone.now()
    if pod.repository_imports.filter(created_at__gt=now - WINDOW).count() >= MOST:
        words = f"Repositories were imported into {pod.name} {MOST} times lately."
        raise UserError("too_many_imports", words, "Wait some minutes, and import it again.", status=429)
    made = RepositoryImport.objects.create(pod=pod, repo=repo, branch=branch, actor=by, deadline=now + DEADLINE)
    trail.note("import.make", by=by, about=made, name=pod.name, repository=repo)
    for old in pod.repository_imports.exclude(state="asking").order_by("-id")[KEPT:]:
        old.delete()
    workers.wake(FETCH, made.pk)
    return made


def run(import_id: str) -> None:
    """Work on an import until it has ended, if nobody does and there is room. Safe to call at any time."""
    row = RepositoryImport.objects.select_related("pod__team").filter(pk=import_id, state="asking").first()
    if row is None or row.pod.deleting_at or not _has_room(row):
        return
    lease = acquire(row)
    if lease is None:
        return
    with kept(lease):
        if row.is_open:
            _work(row, lease)
    _wake_next()


def _has_room(row: RepositoryImport) -> bool:
    asking = RepositoryImport.objects.filter(state="asking", leased_until__isnull=False).exclude(pk=row.pk)
    busy = [other.pod.team_id for other in asking.select_related("pod") if other.held]
    return len(busy) < AT_ONCE and row.pod.team_id not in busy


def _work(row: RepositoryImport, lease: Lease) -> None:
    until = time.monotonic() + SECONDS

    def cancelled() -> bool:
        try:
            lease.check()
        except LeaseLost:
            return True
        return time.monotonic() > until

    try:
        found = repository.fetched(
            team=row.pod.team, repo=row.repo, branch=row.branch, pod=row.pod.name, scratch=f"import-{row.pk}",
            cancelled=cancelled,
        )  # fmt: skip
        _end(
            row, lease, "found", commit=found.commit, files=list(found.files), text=found.imported.text,
            report=[asdict(item) for item in found.imported.report],
        )  # fmt: skip
    except UserError as error:
        if error.code == "cancelled":
            words = f"Looking through the repository took longer than {SECONDS:.0f} s."
            error = UserError("source_timeout", words, "Import it again, or upload the file.")
        _fail(row, lease, error)
    except PlatformError as error:
        log.exception("import_failed", repository_import=row.pk, error_id=error.id)
        _fail(row, lease, UserError(error.code, f"{error.message} ({error.id})", error.hint))
    except Exception:
        failure = PlatformError("internal_error", "The platform failed while looking through the repository.")
        log.exception("import_failed", repository_import=row.pk, error_id=failure.id)
        _fail(row, lease, UserError(failure.code, f"{failure.message} ({failure.id})", "Import it again."))


def _fail(row: RepositoryImport, lease: Lease, error: UserError) -> None:
    _end(row, lease, "failed", error_code=error.code, error=error.message[:2000], hint=error.hint[:2000])


def _end(row: RepositoryImport, lease: Lease, state: str, **said: Any) -> None:
    """Nothing is written once the lease is lost, or the row gone with its pod."""
    if not RepositoryImport.objects.filter(pk=row.pk).exists():
        return
    move(row, state, table=IMPORT_MOVES, where=lease.where, finished_at=timezone.now(), **said)
    changed(row.pod_id)


def tend() -> None:
    """End what is past its deadline, and have what nobody works on worked on."""
    now = timezone.now()
    for row in RepositoryImport.objects.filter(state="asking", deadline__lt=now):
        words = "Nobody came to look through the repository in time."
        if move(
            row, "failed", table=IMPORT_MOVES, where={"fence": row.fence}, fence=F("fence") + 1, leased_until=None,
            finished_at=now, error_code="import_deadline", error=words, hint="Import it again, or upload the file.",
        ):  # fmt: skip
            changed(row.pod_id)
    _wake_next()


def _wake_next() -> None:
    """The oldest that may begin."""
    for row in (
        RepositoryImport.objects.filter(state="asking", pod__deleting_at=None).select_related("pod").order_by("id")
    ):
        if not row.held and _has_room(row):
            workers.wake(FETCH, row.pk)
            return
