"""Sending somebody to a git host to sign in, and taking them back: each sign-in once, in the browser it began in."""

from __future__ import annotations

import base64
import datetime
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.accounts import gate
from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.audit import trail
from apps.connections import actions, secrets
from apps.connections.models import Connection, Grant, Handshake, Kind, OAuthApplication, Provider
from apps.connections.oauth import protocol, renewing
from apps.connections.oauth.protocol import Speaker, Tokens
from apps.core.errors import Conflict, UserError

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
TERM = datetime.timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Browser:
    """Who sits at it, and the key of their session."""

    user: User
    session: str


def redirect_address() -> str:
    """What an application is registered with at its host, to the letter."""
    return settings.BRAINPOD.public_address + reverse("git-access-callback")


def begin(*, team: Team, application: OAuthApplication, browser: Browser, connection: Connection | None = None) -> str:
    """The host's page to send `browser` to. `connection`: the one that is signed in anew."""
    gate.access(browser.user, team, Role.ADMIN)
    state = random.token_urlsafe(32)
    Handshake.objects.filter(created_at__lt=timezone.now() - TERM).delete()
    Handshake.objects.create(
        id=_digest("state", state), session=_digest("session", browser.session), user=browser.user, team=team,
        application=application, connection=connection,
    )  # fmt: skip
    return protocol.page(application, state=state, verifier=_verifier(state), redirect=redirect_address())


def finish(*, browser: Browser, answer: Mapping[str, str]) -> Connection:
    """What comes of the host's `answer`: the connection, made or signed in anew.

    Raises UserError("sign_in_ended") for an answer nobody waits for: used, too old, or of another browser; else
    "sign_in_refused", "source_unreachable". `team` of either leads back to where it was begun.
    """
    shake = _taken(browser, answer.get("state", ""))
    gate.access(browser.user, shake.team, Role.ADMIN)
    if "code" not in answer:
        told = answer.get("error", "")[:60]
        why = "was declined" if told == "access_denied" else f"failed ({told})" if told.isidentifier() else "failed"
        raise _back(
            shake, UserError("sign_in_refused", f"The sign-in at {shake.application.host} {why}.", "Try again.")
        )
    speaker = Speaker(shake.application, secrets.read_application(shake.application))
    try:
        tokens = speaker.redeem(answer["code"], _verifier(answer["state"]), redirect_address())
        account = speaker.account(tokens)
        made = _again(shake, tokens, account) if shake.connection else _first(shake, tokens, account)
    except UserError as error:
        raise _back(shake, error) from None
    log.info("signed_in_at_host", connection=made.pk, team=shake.team_id, host=made.host, by=browser.user.pk)
    return made


class SentBack(Exception):
    """What went wrong with a sign-in, and the team whose page it was begun on."""

    def __init__(self, error: UserError, team: Team) -> None:
        super().__init__(str(error))
        self.error, self.team = error, team


def _back(shake: Handshake, error: UserError) -> SentBack:
    return SentBack(error, shake.team)


def _taken(browser: Browser, state: str) -> Handshake:
    """Whoever deletes the row has it: no answer is taken twice."""
    known = {"id": _digest("state", state), "session": _digest("session", browser.session), "user": browser.user}
    rows = Handshake.objects.filter(**known, created_at__gte=timezone.now() - TERM)
    found = rows.select_related("team", "application", "connection__team").first()
    if found is None or not rows.delete()[0]:
        what = "Nobody waits for this sign-in: it was used already, took too long, or began in another browser."
        raise UserError("sign_in_ended", what, "Press Connect again on the team's page Git access.")
    return found


def _first(shake: Handshake, tokens: Tokens, account: str) -> Connection:
    application = shake.application
    with transaction.atomic():
        made = actions.keep_connection(
            shake.team, shake.user, Kind.OAUTH, Provider(application.provider), application.host, "", "",
            tokens.dump(), {},
        )  # fmt: skip
        Grant.objects.create(
            connection=made, application=application, account=account, renew_at=renewing.renewal(tokens.lasts)
        )
    return made


def _again(shake: Handshake, tokens: Tokens, account: str) -> Connection:
    connection = shake.connection
    assert connection is not None
    path, version = secrets.keep(connection.team_id, connection.pk, tokens.dump())
    with transaction.atomic():
        won = Connection.objects.filter(pk=connection.pk, path=connection.path).update(
            path=path, version=version, rotated_at=timezone.now(), last_error="", check_result="", checked_at=None
        )
        if won:
            trail.note("connection.sign_in", by=shake.user, about=connection, host=connection.host)
            Grant.objects.filter(connection=connection).update(
                account=account, application=shake.application, renew_at=renewing.renewal(tokens.lasts)
            )
    secrets.forget(connection.path if won else path)
    if not won:
        raise Conflict("connection_changed", "Somebody else has just changed this connection.", "Connect again.")
    connection.refresh_from_db()
    return connection


def _verifier(state: str) -> str:
    """PKCE's secret: made from the state again when it is needed, and kept nowhere."""
    digest = salted_hmac("brainpod.oauth.verifier", state, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _digest(what: str, text: str) -> str:
    return salted_hmac(f"brainpod.oauth.{what}", text, algorithm="sha256").hexdigest()
