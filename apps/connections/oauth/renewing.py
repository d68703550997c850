"""The access token of a sign-in, renewed before it runs out, by one process at a time: refresh tokens work once."""

from __future__ import annotations

import datetime
import time

import structlog
from django.db import transaction
from django.utils import timezone

from apps.connections import secrets
from apps.connections.models import Connection, Grant
from apps.connections.oauth.protocol import Revoked, Speaker, Tokens
from apps.core.errors import PlatformError, Unavailable, UserError
from apps.core.leases import acquire, kept

log = structlog.get_logger(__name__)
SPARE = 1200.0  # seconds a token has to be good for when it is handed out: longer than most clones take
PATIENCE = 60.0  # seconds to wait for another process that renews it
_LOOK = 0.2
_TRIES = (0.5, 1.0, 2.0, 4.0, 0.0)  # seconds after each try to keep what exists nowhere else


def renewal(lasts: float | None) -> datetime.datetime | None:
    """When tokens given out now are renewed: with SPARE seconds left, or half their time where that is less."""
    if lasts is None:
        return None
    return timezone.now() + datetime.timedelta(seconds=lasts - min(SPARE, lasts / 2))


def token_for(connection: Connection) -> str:
    """Raises UserError("access_revoked" | "source_unreachable"), Unavailable."""
    until = time.monotonic() + PATIENCE
    while True:
        grant = Grant.objects.select_related("application", "connection__team").get(connection=connection)
        if grant.renew_at is None or grant.renew_at > timezone.now():
            return Tokens.load(secrets.read(grant.connection)).access
        if lease := acquire(grant, renew_at=grant.renew_at):
            with kept(lease):
                return _renewed(grant)
        if time.monotonic() > until:
            what = f"The sign-in at {grant.connection.host} is being renewed, and that does not end."
            raise Unavailable("sign_in_renewing", what, "Try again in a minute.")
        time.sleep(_LOOK)


def refused(connection: Connection) -> UserError | None:
    """The host does not take the access token: whether it still takes the sign-in. The error to show if it does not."""
    Grant.objects.filter(connection=connection).update(renew_at=timezone.now())
    try:
        token_for(connection)
    except UserError as error:
        return error
    except PlatformError:
        pass
    return None


def revoke(connection: Connection) -> None:
    """Tell the host, if it can be told, that the sign-in is over; one that cannot keeps it until it runs out."""
    grant = Grant.objects.select_related("application").get(connection=connection)
    try:
        tokens = Tokens.load(secrets.read(connection))
        Speaker(grant.application, secrets.read_application(grant.application)).revoke(tokens)
    except (UserError, PlatformError) as error:
        log.warning("sign_in_not_revoked", connection=connection.pk, why=error.code)


def _renewed(grant: Grant) -> str:
    connection = grant.connection
    before = connection.path
    held = Tokens.load(secrets.read(connection))
    if connection.path != before:  # somebody has signed in again meanwhile
        return held.access
    try:
        if not held.refresh:
            raise Revoked
        made = Speaker(grant.application, secrets.read_application(grant.application)).renew(held.refresh)
    except Revoked:
        raise revoked(grant) from None
    path, version = _keep(connection, made)
    with transaction.atomic():
        won = Connection.objects.filter(pk=connection.pk, path=before).update(path=path, version=version)
        if won:
            Grant.objects.filter(pk=grant.pk).update(renew_at=renewal(made.lasts))
    secrets.forget(before if won else path)
    if not won:
        connection.refresh_from_db(fields=["path", "version"])
        return Tokens.load(secrets.read(connection)).access
    log.info("sign_in_renewed", connection=connection.pk)
    return made.access


def _keep(connection: Connection, tokens: Tokens) -> tuple[str, int]:
    """The host may already have forgotten the pair before this one, so a store that is away is asked again."""
    for pause in _TRIES:
        try:
            return secrets.keep(connection.team_id, connection.pk, tokens.dump())
        except Unavailable:
            if not pause:
                raise
            time.sleep(pause)
    raise AssertionError("the last try raises")


def revoked(grant: Grant) -> UserError:
    host = grant.connection.host
    what = f"{host} no longer accepts the sign-in of {grant.account}: it was revoked there or has run out."
    return UserError("access_revoked", what, "An admin of the team presses Reconnect on the connection's page.")
