"""Importing from a repository: asked for by people, cloned and looked through by a worker."""

from __future__ import annotations

import datetime
from dataclasses import asdict
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.audit import trail
from apps.core import room
from apps.core.errors import Conflict, UserError
from apps.core.leases import Lease
from apps.deployments import wake as workers
from apps.deployments.errands import Errands, overtime
from apps.manifests.importing import repository
from apps.manifests.models import RepositoryImport
from apps.pods.models import Pod
from apps.sources.urls import check_ref, check_url

if TYPE_CHECKING:
    from apps.accounts.models import User

FETCH, TEND = "manifests.fetch", "manifests.tend"
SECONDS = 120.0  # cloning and looking
DEADLINE = datetime.timedelta(minutes=15)  # waiting for a worker included
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


def _work(row: RepositoryImport, lease: Lease) -> None:
    try:
        found = repository.fetched(
            team=row.pod.team, repo=row.repo, branch=row.branch, pod=row.pod.name, scratch=f"import-{row.pk}",
            cancelled=overtime(lease, SECONDS),
        )  # fmt: skip
    except UserError as error:
        if error.code != "cancelled":
            raise
        words = f"Looking through the repository took longer than {SECONDS:.0f} s."
        raise UserError("source_timeout", words, "Import it again, or upload the file.") from error
    IMPORTS.end(
        row, lease, "found", commit=found.commit, files=list(found.files), text=found.imported.text,
        report=[asdict(item) for item in found.imported.report],
    )  # fmt: skip


IMPORTS = Errands(
    RepositoryImport,
    task=FETCH,
    work=_work,
    at_once=2,
    late=UserError(
        "import_deadline",
        "Nobody came to look through the repository in time.",
        "Import it again, or upload the file.",
    ),
    broken=("The platform failed while looking through the repository.", "Import it again."),
)
