"""The secret that signs the deliveries of a GitHub App that was made here: replaced here and at GitHub.

First both count here, then GitHub is told, and the one before counts until a day after GitHub has taken the new one:
whatever fails on the way, no delivery is refused.
"""

from __future__ import annotations

import datetime
import secrets as random
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts import gate
from apps.accounts.roles import Role
from apps.audit import trail
from apps.connections import secrets
from apps.connections.models import Connection
from apps.core.errors import Conflict, NotFound
from apps.sources import github_app

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
OVERLAP = datetime.timedelta(hours=24)  # how long the one before counts beside the new one
PRESENT, BEFORE = "webhook_secret", "webhook_secret_before"  # as the secret store has them, beside the app's key


def counting(connection: Connection) -> tuple[str, ...]:
    """Those a delivery may be signed with, the present one first. Raises Unavailable, PlatformError."""
    held = secrets.more_of(connection)
    before = held.get(BEFORE, "") if connection.old_hook_counts else ""
    return tuple(filter(None, (held.get(PRESENT, ""), before)))


def rotate(*, connection: Connection, by: User) -> None:
    """Make another and tell GitHub of it; one that GitHub has not taken yet is told once more.

    Raises NotFound for an app that has none, Conflict("connection_changed"), and what GitHub's answer comes to:
    UserError("authentication_failed" | "host_refused" | "source_unreachable").
    """
    gate.access(by, connection.team, Role.ADMIN)
    held = secrets.more_of(connection)
    if PRESENT not in held:
        raise NotFound(f"webhook of {connection.name}")
    if not connection.hook_untold:
        held |= {PRESENT: random.token_urlsafe(32), BEFORE: held[PRESENT]}
        _keep(connection, held, by)
    key = secrets.read(connection)
    app = github_app.App(connection.host, connection.app_id, connection.installation_id, key)
    github_app.set_hook_secret(app, held[PRESENT], allowed=settings.BRAINPOD.networks)
    now = timezone.now()
    told = {"hook_untold": False, "hook_rotated_at": now, "hook_old_until": now + OVERLAP}
    Connection.objects.filter(pk=connection.pk, hook_untold=True).update(**told)
    log.info("connection_webhook_rotated", connection=connection.pk, by=by.pk)
    connection.refresh_from_db()


def _keep(connection: Connection, held: dict[str, str], by: User) -> None:
    path, version = secrets.keep(connection.team_id, connection.pk, secrets.read(connection), held)
    with transaction.atomic():
        rows = Connection.objects.filter(pk=connection.pk, path=connection.path)
        won = rows.update(path=path, version=version, hook_untold=True)
        if won:
            trail.note("connection.webhook_rotate", by=by, about=connection)
    secrets.forget(connection.path if won else path)
    if not won:
        raise Conflict("connection_changed", "Somebody else has just changed this connection.", "Reload the page.")
    connection.refresh_from_db()


@transaction.atomic
def end_old(*, connection: Connection, by: User) -> None:
    """The one before counts no longer, from now on. Raises Conflict("webhook_untold") before GitHub has the new one."""
    gate.access(by, connection.team, Role.ADMIN)
    rows = Connection.objects.filter(pk=connection.pk, hook_untold=False)
    if not rows.update(hook_old_until=None):
        hint = "Press New webhook secret once more, so that GitHub is told of it."
        raise Conflict("webhook_untold", "GitHub still signs with the old secret.", hint)
    trail.note("connection.webhook_end_old", by=by, about=connection)
    connection.refresh_from_db()
