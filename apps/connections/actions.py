"""What admins do with a team's connections. A secret is written before the row that says where it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps import sources
from apps.accounts import gate
from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.audit import trail
from apps.connections import checks, installation_tokens, secrets
from apps.connections.access import REFUSALS, credential_of, refusal
from apps.connections.models import Connection, Kind, Provider
from apps.connections.oauth import renewing
from apps.core.errors import Conflict, Detail, Invalid, UserError
from apps.sources.github_app import read_key
from apps.sources.urls import check_url

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
MOST = 100


def connect_token(
    *, team: Team, host: str, token: str, by: User, provider: str = "", username: str = "", name: str = "",
    scope: str = "",
) -> Connection:  # fmt: skip
    """Keep a token, which is a password over https. Raises Invalid naming the field, Conflict("name_taken")."""
    gate.access(by, team, Role.ADMIN)
    host = checks.check_host(host, "https")
    kind = checks.check_provider(provider, host)
    token = checks.check_token(token)
    fields = {"username": checks.check_username(username, kind, token)}
    return keep_connection(team, by, Kind.TOKEN, kind, host, name, scope, token, fields)


def connect_github_app(
    *, team: Team, app_id: str, installation_id: str, private_key: str, by: User, host: str = "github.com",
    name: str = "", scope: str = "",
) -> Connection:  # fmt: skip
    """Keep the private key of a GitHub App that is installed on the owner of the repositories."""
    gate.access(by, team, Role.ADMIN)
    read_key(private_key)
    fields = {
        "app_id": checks.check_app_id(app_id),
        "installation_id": checks.check_installation(installation_id),
    }
    host = checks.check_host(host, "https")
    return keep_connection(
        team, by, Kind.GITHUB_APP, Provider.GITHUB, host, name, scope, private_key.strip() + "\n", fields
    )


def generate_deploy_key(
    *, team: Team, host: str, by: User, provider: str = "", name: str = "", scope: str = ""
) -> Connection:
    """Make a key whose public half is pasted into the host. The host's own key is found now and trusted alone.

    Raises besides UserError("source_unreachable") for a host that shows none.
    """
    gate.access(by, team, Role.ADMIN)
    host = checks.check_host(host, "ssh")
    kind = checks.check_provider(provider, host)
    host_key = sources.source().host_key(host)
    private, public = secrets.make_key_pair(f"brainpod-{team.slug}")
    fields = {"public_key": public, "host_key": host_key}
    return keep_connection(team, by, Kind.DEPLOY_KEY, kind, host, name, scope, private, fields)


def keep_connection(
    team: Team, by: User, kind: Kind, provider: Provider, host: str, name: str, scope: str, secret: str,
    fields: dict[str, Any], more: Mapping[str, str] | None = None,
) -> Connection:  # fmt: skip
    """The row and its secret, `more` kept beside it, for who may make one.

    Raises Invalid, Conflict("name_taken"), Unavailable.
    """
    scope = checks.check_scope(scope)
    taken = set(team.connections.values_list("name", flat=True))
    name = checks.check_name(name) or _free_name(f"{scope or host}, {kind.words}", taken)
    if len(taken) >= MOST:
        raise Invalid(f"A team has at most {MOST} connections: remove one first.")
    if name in taken:
        raise _taken(name)
    made = Connection(
        team=team, kind=kind, provider=provider, host=host, name=name, scope=scope, created_by=by, **fields
    )
    made.path, made.version = secrets.keep(team.pk, made.pk, secret, more)
    try:
        with transaction.atomic():
            made.save(force_insert=True)
            trail.note("connection.make", by=by, about=made, host=host, kind=kind)
    except IntegrityError:
        secrets.forget(made.path)
        raise _taken(name) from None
    log.info("connection_made", connection=made.pk, team=team.pk, kind=kind, host=host, by=by.pk)
    return made


def _free_name(wanted: str, taken: set[str]) -> str:
    names = (wanted[:70] if number == 1 else f"{wanted[:70]} {number}" for number in range(1, MOST + 2))
    return next(name for name in names if name not in taken)


def rename(*, connection: Connection, name: str, by: User) -> None:
    gate.access(by, connection.team, Role.ADMIN)
    name = checks.check_name(name)
    if not name:
        raise Invalid([Detail("name", "must not be empty.")])
    try:
        with transaction.atomic():
            Connection.objects.filter(pk=connection.pk).update(name=name)
            trail.note("connection.rename", by=by, about=connection, now=name)
    except IntegrityError:
        raise _taken(name) from None


def rotate(*, connection: Connection, by: User, secret: str = "") -> None:
    """Put another secret in place of the present one, which is forgotten.

    `secret`: the new token or app key; a deploy key is made anew, and the host's key is found again. Raises Invalid
    naming `secret`, Conflict("connection_changed").
    """
    gate.access(by, connection.team, Role.ADMIN)
    fields: dict[str, Any] = {}
    match connection.kind:
        case Kind.OAUTH:
            raise Invalid([Detail("secret", "is given by the host: sign in there again.")])
        case Kind.DEPLOY_KEY:
            fields["host_key"] = sources.source().host_key(connection.host)
            secret, fields["public_key"] = secrets.make_key_pair(f"brainpod-{connection.team.slug}")
        case Kind.GITHUB_APP:
            read_key(secret, "secret")
            secret = secret.strip() + "\n"
        case _:
            try:
                secret = checks.check_token(secret)
            except Invalid as error:
                raise Invalid([Detail("secret", error.details[0].message)]) from None
    path, version = secrets.keep(connection.team_id, connection.pk, secret, secrets.carried_over(connection))
    with transaction.atomic():
        won = Connection.objects.filter(pk=connection.pk, path=connection.path).update(
            path=path, version=version, rotated_at=timezone.now(), last_error="", check_result="", checked_at=None,
            **fields,
        )  # fmt: skip
        if won:
            trail.note("connection.rotate", by=by, about=connection)
    secrets.forget(connection.path if won else path)
    if not won:
        raise Conflict("connection_changed", "Somebody else has just changed this connection.", "Reload the page.")
    installation_tokens.forget(connection.pk)
    log.info("connection_rotated", connection=connection.pk, by=by.pk)
    connection.refresh_from_db()


def disconnect(*, connection: Connection, by: User) -> None:
    """Forget the secret, then the row: clones that need it fail from now on. Raises Unavailable."""
    gate.access(by, connection.team, Role.ADMIN)
    if connection.kind == Kind.OAUTH:
        renewing.revoke(connection)
    secrets.forget(connection.path)
    installation_tokens.forget(connection.pk)
    with transaction.atomic():
        trail.note("connection.remove", by=by, about=connection, host=connection.host)
        Connection.objects.filter(pk=connection.pk).delete()
    log.info("connection_removed", connection=connection.pk, team=connection.team_id, by=by.pk)


def check(*, connection: Connection, repo: str, by: User) -> bool:
    """Try to read `repo` with it; what came of it is on the row in words. Raises Invalid naming `repo`."""
    gate.access(by, connection.team, Role.ADMIN)
    parsed = check_url(repo.strip(), field="repo", allowed=settings.BRAINPOD.networks)
    if not connection.fits(parsed):
        raise Invalid([Detail("repo", _unfit(connection))])
    refused = None
    try:
        commit = sources.source().resolve(parsed.url, "", credential=credential_of(connection, parsed))
        words = f"{parsed.url} can be read; its default branch stands at {commit[:7]}."
    except UserError as error:
        if isinstance(error, Invalid):
            raise Invalid([Detail("repo", detail.message) for detail in error.details]) from None
        refused = error
        words = f"{parsed.url}: {error}"
        if error.code in REFUSALS:
            refused = refusal(connection, error)
            words = f"{parsed.url}: {refused}"
        if error.code == "branch_not_found":
            refused, words = None, f"{parsed.url} can be read; it has no commits yet."
    with transaction.atomic():
        Connection.objects.filter(pk=connection.pk).update(checked_at=timezone.now(), check_result=words[:400])
        trail.note("connection.check", by=by, about=connection, result=words)
    if refused is None:
        Connection.objects.filter(pk=connection.pk).update(last_error="")
    connection.refresh_from_db()
    return refused is None


def _unfit(connection: Connection) -> str:
    example = "owner/repository.git" if not connection.scope else f"{connection.scope}/repository.git"
    if "/" in connection.scope:
        example = f"{connection.scope}.git"
    address = f"https://{connection.host}/{example}"
    if connection.kind == Kind.DEPLOY_KEY:
        address = f"ssh://git@{connection.host}/{example}"
    return f"is not one that this connection is for; those look like {address}"


def _taken(name: str) -> Conflict:
    return Conflict("name_taken", f"There is a connection called {name} already.", "Choose another name.")
