"""Reports that are due, sent by one process at a time; a host that does not answer holds up no other."""

from __future__ import annotations

import datetime
import time

import structlog
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from apps.connections.models import Connection, repository_path
from apps.connections.remote import comments, statuses
from apps.connections.remote.client import speaker
from apps.core.errors import PlatformError, Unavailable, UserError
from apps.core.leases import LeaseLost
from apps.deployments.duties import duty
from apps.reporting.models import Kind, Report
from apps.sources.urls import check_url

log = structlog.get_logger(__name__)
DELAYS = tuple(datetime.timedelta(minutes=minutes) for minutes in (1, 5, 30, 120))  # after so many failures
LONGEST = 30.0  # seconds, after which what is still due is begun by the next
KEPT = datetime.timedelta(days=30)
HOPELESS = ("host_refused", "access_revoked", "repository_not_found")  # trying again would change nothing


def send_due() -> None:
    """Send what is due; nothing while another process is at it."""
    if not _due().exists():
        return
    with duty("reporting") as lease:
        if lease is None:
            return
        until, silent = time.monotonic() + LONGEST, set[str]()
        for row in _due().select_related("pod").order_by("next_at")[:500]:
            if time.monotonic() > until:
                return
            try:
                lease.check()
            except LeaseLost:
                return
            send(row, silent)
    Report.objects.filter(changed_at__lt=timezone.now() - KEPT).delete()


def send(row: Report, silent: set[str]) -> None:
    """Tell the host, and write down how it went. `silent`: hosts that did not answer just now, which are left out."""
    connection = speaker(row.pod.team_id, row.repository)
    if connection is None:
        _note(row, failed="No connection of the team can report there any more.", next_at=None)
        return
    if connection.host in silent:
        return
    try:
        _tell(row, connection)
    except (UserError, PlatformError) as error:
        if error.code == "source_unreachable" or isinstance(error, Unavailable):
            silent.add(connection.host)
        hopeless = error.code in HOPELESS or row.tries >= len(DELAYS)
        later = None if hopeless else timezone.now() + DELAYS[row.tries]
        _note(row, failed=str(error)[:500], next_at=later, tries=row.tries + 1, connection=connection.pk)
        log.info("report_not_sent", report=row.pk, why=error.code)
        return
    _note(row, failed="", next_at=None, sent_at=timezone.now(), connection=connection.pk)


def _tell(row: Report, connection: Connection) -> None:
    name = repository_path(check_url(row.repository, allowed=settings.BRAINPOD.networks))
    if row.kind == Kind.STATUS:
        statuses.report(
            connection, name, row.subject, state=row.state, context=row.key, words=row.words, address=row.url
        )
        return
    body = f"{row.words}\n\n{row.url}"
    comments.pull_request_comment(connection, name, int(row.subject), body, marker=row.key)


def _note(row: Report, **fields: object) -> None:
    """Unless it has changed meanwhile: then it stays due."""
    Report.objects.filter(pk=row.pk, serial=row.serial).update(**fields)


def _due() -> QuerySet[Report]:
    return Report.objects.filter(next_at__lte=timezone.now(), pod__deleting_at=None)
