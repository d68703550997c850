"""Opening, ending and closing the books of terminal sessions."""

from __future__ import annotations

import datetime
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts import gate
from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.audit import trail
from apps.core.errors import NotFound, PlatformError, UserError
from apps.deployments.models import Workload
from apps.pods.models import Pod
from apps.terminals.models import Ending, TerminalSession

NEEDS = Role.DEVELOPER
MOST = 5  # sessions a person may have open at once
LOST = datetime.timedelta(seconds=60)  # after which a session nobody renews has no holder

log = structlog.get_logger(__name__)


def may_enter(*, by: User, pod: str, workload: str) -> Workload:
    """The running instance `by` may have a terminal in. Raises NotFound, or UserError `forbidden`."""
    found = Pod.objects.visible_to(by).filter(name=pod, deleting_at=None).select_related("team").first()
    if found is None:
        raise NotFound("such pod")
    gate.pod_access(by, found, NEEDS)
    instance = found.workloads.filter(pk=workload, stopped_at=None).select_related("pod__team").first()
    if instance is None or not instance.handle:
        raise NotFound("such running instance in this pod")
    return instance


def open_session(*, by: User, pod: str, workload: str, address: str) -> tuple[TerminalSession, Workload]:
    """Raises what `may_enter` does, and UserError("terminals_many")."""
    instance = may_enter(by=by, pod=pod, workload=workload)
    if TerminalSession.objects.filter(user=by, ended_at=None).count() >= MOST:
        raise UserError("terminals_many", f"You have {MOST} terminals open.", "Close one of them first.", status=429)
    with transaction.atomic():
        session = TerminalSession.objects.create(
            team=instance.pod.team, user=by, person=by.email, pod=instance.pod, pod_name=instance.pod.name,
            app=instance.app, instance=str(instance), workload=instance.pk, address=address,
        )  # fmt: skip
        trail.note(
            "terminal.open", by=by, about=session, name=pod, part=instance.app, instance=str(instance), address=address
        )
    log.info("terminal_opened", session=session.pk, person=by.email, pod=pod, instance=str(instance), address=address)
    return session, instance


def ask_to_end(*, session: TerminalSession, by: User) -> None:
    """One's own, or as an admin of the team. Its holder hears of it within seconds; one that is over stays as it is.

    Raises UserError `forbidden`.
    """
    if session.user_id != by.pk and not by.is_superuser:
        gate.access(by, session.team, Role.ADMIN)
    with transaction.atomic():
        TerminalSession.objects.filter(pk=session.pk, ended_at=None).update(end_asked_at=timezone.now(), ended_by=by)
        trail.note("terminal.end", by=by, about=session, name=session.pod_name, part=session.app)


def finish(session_id: str, ending: str, *, exit_code: int | None = None, note: str = "") -> None:
    """Close the book of a session; of one that is closed nothing is changed."""
    rows = TerminalSession.objects.filter(pk=session_id, ended_at=None)
    if rows.update(ended_at=timezone.now(), ending=ending, exit_code=exit_code, note=note[:300]):
        log.info("terminal_ended", session=session_id, ending=ending, exit_code=exit_code)


def sweep() -> None:
    """End what is left of sessions whose holder has died."""
    for session in TerminalSession.objects.filter(ended_at=None, seen_at__lt=timezone.now() - LOST):
        workload = Workload.objects.filter(pk=session.workload, stopped_at=None).first()
        if workload is not None and workload.handle:
            try:
                workload.runner.detach(workload.handle, session.pk)
            except PlatformError as error:
                log.info("terminal_sweep_waits", session=session.pk, error=str(error))
                continue
        finish(session.pk, Ending.LOST)


def visible(by: gate.Access) -> Any:
    """The sessions of a team that `by` may look at: all of them as an admin, else one's own."""
    rows = TerminalSession.objects.filter(team=by.team).select_related("team", "user", "ended_by")
    return rows if by.may(Role.ADMIN) else rows.filter(Q(user=by.user))
