"""Invitations by mail, beside the link that whoever invites is shown.

The link that goes by mail has a token of its own, made when it is sent: so it is in no queue, and in no table but as a
digest, and a mail that is tried again has another.
"""

from __future__ import annotations

import datetime
import secrets

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from apps.accounts import actions
from apps.accounts.models import Invitation, Team, User, digest
from apps.accounts.roles import Role
from apps.audit.models import AuditEntry
from apps.deployments.wake import wake
from apps.notify import mail
from apps.notify.shapes import Told

SEND = "notify.invitations"
DELAYS = tuple(datetime.timedelta(minutes=minutes) for minutes in (1, 5, 30, 120))  # after so many failures
MOST = 50  # a person has sent within a day: to addresses that nobody has confirmed
AT_ONCE = 5  # so that a mail server that does not answer holds a worker up for a minute at most
WHY = "You get this because somebody entered your address; whoever expects no invitation need not do anything."

log = structlog.get_logger(__name__)


@transaction.atomic
def invite(*, team: Team, email: str, role: Role, by: User) -> tuple[Invitation, str]:
    """As apps.accounts.actions.invite; it is sent besides where there is a mail server (`mail_next_at` is set)."""
    made, token = actions.invite(team=team, email=email, role=role, by=by)
    lately = timezone.now() - datetime.timedelta(days=1)
    if mail.ready() and AuditEntry.objects.filter(verb="invitation.make", user=by, at__gt=lately).count() <= MOST:
        made.mail_next_at = timezone.now()
        made.save(update_fields=["mail_next_at"])
        wake(SEND)
    return made, token


def send_due() -> None:
    """Send what waits, as far as nobody else is at it. How it went is on each row."""
    due = Invitation.objects.open().filter(mail_next_at__lte=timezone.now()).select_related("team", "invited_by")
    for row in due.order_by("mail_next_at")[:AT_ONCE]:
        _send(row)


def _send(row: Invitation) -> None:
    """Whoever moves the row on has it; one that dies over it leaves it to be tried again later."""
    token, number = secrets.token_urlsafe(32), row.mail_tries
    later = timezone.now() + DELAYS[number] if number < len(DELAYS) else None
    mine = Invitation.objects.open().filter(pk=row.pk)
    claimed = mine.filter(mail_tries=number, mail_next_at=row.mail_next_at)
    if not claimed.update(mail_tries=number + 1, mail_next_at=later, mail_digest=digest(token)):
        return
    try:
        mail.send(_told(row, token), to=row.email, message=f"invitation.{row.pk}.{number}", why=WHY)
    except mail.NotSent as error:
        mine.update(mail_failed=str(error)[:200])
        log.warning("invitation_not_sent", invitation=row.pk, error=str(error))
        return
    mine.update(mail_next_at=None, mailed_at=timezone.now(), mail_failed="")


def _told(row: Invitation, token: str) -> Told:
    who = row.invited_by.name if row.invited_by else "Somebody"
    words = f"{who} invites you to the team {row.team.name} on {settings.BRAINPOD.dashboard_host}, as {row.role}."
    return Told(
        title="Invitation",
        words=words,
        level="info",
        url=settings.BRAINPOD.public_address + reverse("invitation", kwargs={"token": token}),
        at=timezone.now().isoformat(timespec="seconds"),
        where=f"{row.team.name} · works once, until {row.expires_at:%d %B %Y, %H:%M} UTC, and for {row.email} alone",
    )
