"""What a team's clones are let in with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Team
from apps.connections import installation_tokens, secrets
from apps.connections.checks import USERNAMES
from apps.connections.models import Connection, Kind, Provider, repository_path
from apps.connections.oauth import renewing
from apps.core.errors import UserError
from apps.sources.base import Credential, Lookup
from apps.sources.urls import ParsedUrl, check_url

log = structlog.get_logger(__name__)
REFUSALS = ("authentication_failed", "repository_not_found", "access_revoked")


def credential_for(team: Team, url: str) -> Credential | None:
    """What the repository at `url` is cloned with: of this team's connections the one that fits most closely.

    None where there is none, and for repositories hosted here. Raises Invalid for what is no address, Unavailable
    when the secret store does not answer, UserError when GitHub gives out no token.
    """
    parsed = check_url(url, allowed=settings.BRAINPOD.networks)
    connection = None if parsed.scheme == "brainpod" else Connection.objects.filter(team=team).serving(parsed)
    return credential_of(connection, parsed) if connection else None


def credential_of(connection: Connection, parsed: ParsedUrl) -> Credential:
    """What `connection` shows for `parsed`, which it fits; that it was used is noted."""
    Connection.objects.filter(pk=connection.pk).update(last_used_at=timezone.now())
    match connection.kind:
        case Kind.GITHUB_APP:
            token = installation_tokens.token_for(connection, repository_path(parsed).rpartition("/")[2])
            return Credential(connection.host, username="x-access-token", password=token)
        case Kind.TOKEN:
            return Credential(connection.host, username=connection.username, password=secrets.read(connection))
        case Kind.OAUTH:
            password = renewing.token_for(connection)
            return Credential(connection.host, username=USERNAMES[Provider(connection.provider)], password=password)
        case _:
            return Credential(connection.host, private_key=secrets.read(connection), host_key=connection.host_key)


@dataclass(frozen=True, slots=True)
class Access:
    """What a repository, and the submodules on its host, are cloned with."""

    credential: Credential | None
    for_submodule: Lookup


@contextmanager
def access(team: Team, url: str, *, hide: Callable[[Iterable[str]], None] = lambda _: None) -> Iterator[Access]:
    """For what is done with `url` in the block; how the host answered is noted on the connection.

    `hide` is told of every secret before it is used. What the host refuses is said with the page on which an admin of
    the team mends it.
    """

    def hidden(credential: Credential | None) -> Credential | None:
        if credential:
            hide(credential.secrets)
        return credential

    parsed = check_url(url, allowed=settings.BRAINPOD.networks)
    connection = None if parsed.scheme == "brainpod" else Connection.objects.filter(team=team).serving(parsed)
    try:
        credential = hidden(credential_of(connection, parsed)) if connection else None
        yield Access(credential, lambda url: hidden(credential_for(team, url)))
    except UserError as error:
        if error.code in REFUSALS and parsed.scheme != "brainpod":
            if connection:
                error = refusal(connection, error)
            error.hint = _where(team, parsed, connection, error.hint)
            raise error
        raise
    if connection and connection.last_error:
        Connection.objects.filter(pk=connection.pk).update(last_error="")


def refusal(connection: Connection, error: UserError) -> UserError:
    """Note on `connection` that it was refused; the error to show, which for a sign-in says whether it is over."""
    if connection.kind == Kind.OAUTH and error.code == "authentication_failed":
        error = renewing.refused(connection) or error
    installation_tokens.forget(connection.pk)
    log.warning("connection_refused", connection=connection.pk, why=error.code)
    Connection.objects.filter(pk=connection.pk).update(last_error=str(error)[:400])
    return error


def _where(team: Team, parsed: ParsedUrl, connection: Connection | None, hint: str) -> str:
    page = settings.BRAINPOD.public_address + reverse("git-access", kwargs={"team": team.slug})
    if connection:
        return f"{hint} It was asked for with the connection {connection.name}: {page}"
    way = "a token, a GitHub App" if parsed.scheme == "https" else "a deploy key"
    return f"{hint} {team.name} has no connection for it yet; {way} is added here: {page}"
