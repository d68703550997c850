"""A connection speaking to its host's API: as whom, within bounds, and what is refused in words."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from apps.connections import installation_tokens, secrets
from apps.connections.access import refusal
from apps.connections.checks import USERNAMES
from apps.connections.models import Connection, Kind, Provider
from apps.connections.oauth import renewing
from apps.core.errors import Invalid, UserError
from apps.sources import outbound
from apps.sources.urls import check_url

LARGEST = 3_000_000  # bytes of one answer: a hundred repositories are nearly one million at GitHub
_APIS = {"github.com": "https://api.github.com", "bitbucket.org": "https://api.bitbucket.org/2.0"}
_PATHS = {
    Provider.GITHUB: "/api/v3", Provider.GITLAB: "/api/v4", Provider.GITEA: "/api/v1", Provider.BITBUCKET: "/2.0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """What a connection is asked to do there. `words`: "list repositories"; `app`: permissions of a GitHub App;
    `needs`: by kind of host, what the token has to have.
    """

    words: str
    app: Mapping[str, str]
    needs: Mapping[Provider, str]


def can(connection: Connection) -> bool:
    """Whether the host has an API that takes this kind of secret."""
    return connection.kind != Kind.DEPLOY_KEY and not connection.waits and connection.provider in _PATHS


def speaker(team_id: int, repository: str) -> Connection | None:
    """The connection of the team that may speak for `repository` (its address) to the host's API."""
    try:
        parsed = check_url(repository, allowed=settings.BRAINPOD.networks)
    except Invalid:
        return None
    found = Connection.objects.filter(team=team_id).serving(parsed) if parsed.scheme == "https" else None
    return found if found and can(found) else None


@dataclass(frozen=True, slots=True)
class Client:
    connection: Connection
    task: Task
    authorization: str = field(repr=False)

    @property
    def provider(self) -> Provider:
        return Provider(self.connection.provider)

    def get(self, path: str, **query: object) -> Any:
        """The JSON at `path` (its parts encoded) beneath the API. Raises UserError as `explain` has it."""
        status, said = self.ask("GET", path, **query)
        if status != 200 or said is None:
            raise self.refused(status, said)
        return said

    def ask(self, method: str, path: str, body: object = None, **query: object) -> tuple[int, Any]:
        """Status and JSON of whatever is answered. Raises UserError("source_unreachable"), Invalid."""
        host, allowed = self.connection.host, settings.BRAINPOD.networks
        root = _APIS.get(host) or f"https://{host}{_PATHS[self.provider]}"
        headers = {"Authorization": self.authorization, "Accept": "application/json", "User-Agent": "brainpod"}
        if self.provider == Provider.GITHUB:
            headers |= {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        content = b""
        if body is not None:
            headers["Content-Type"], content = "application/json", json.dumps(body).encode()
        at = check_url(root + path, field="host", allowed=allowed)
        asked = urllib.parse.urlencode(query)
        return outbound.ask(method, at, headers, content, allowed=allowed, query=asked, largest=LARGEST)

    def refused(self, status: int, said: Any) -> UserError:
        """The error for an answer that is none of those hoped for; a refused secret is noted on the connection."""
        host, words = self.connection.host, told(said, status)
        if status == 401:
            hint = f"An admin of the team replaces its secret on the team's page Git access.{words}"
            error = UserError("authentication_failed", f"{host}'s API does not accept the connection.", hint)
            # A deploy token opens repositories and no API: that it is refused here says nothing of clones.
            return error if self.connection.kind == Kind.TOKEN else refusal(self.connection, error)
        if status in (403, 404, 422):
            needs = self.task.needs.get(self.provider, "")
            hint = f"It needs {needs}: give it that at the host, or use another connection.{words}"
            return UserError("host_refused", f"{host} does not let {self.connection.name} {self.task.words}.", hint)
        hint = f"Try again in a minute.{words}"
        return UserError("source_unreachable", f"{host} does not answer as it should.", hint)


def client(connection: Connection, task: Task, repository: str = "") -> Client:
    """`connection` (one that `can`) for `task`; `repository`: owner/name of the only one it is about.

    Raises UserError("authentication_failed" | "access_revoked" | "host_refused" | …), Unavailable.
    """
    try:
        return Client(connection, task, _authorization(connection, task, repository))
    except UserError as error:
        if error.code in ("authentication_failed", "access_revoked"):
            raise refusal(connection, error) from None
        raise


def _authorization(connection: Connection, task: Task, repository: str) -> str:
    match connection.kind:
        case Kind.GITHUB_APP:
            name = repository.rpartition("/")[2]
            return f"Bearer {installation_tokens.token_for(connection, name, task.app)}"
        case Kind.OAUTH:
            return f"Bearer {renewing.token_for(connection)}"
        case _:
            token, provider = secrets.read(connection), Provider(connection.provider)
            if provider == Provider.BITBUCKET and connection.username not in ("", USERNAMES[provider]):
                return f"Basic {base64.b64encode(f'{connection.username}:{token}'.encode()).decode()}"
            return f"Bearer {token}"


def told(said: Any, status: int) -> str:
    """What the host says itself: the field differs from host to host, and is not always a text."""
    # GitHub says "Validation Failed", and what failed in a list beside it.
    errors = said.get("errors") if isinstance(said, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    if isinstance(first, dict) and isinstance(first.get("message"), str):
        said = first
    found: Any = said
    for name in ("message", "error", "error_description"):
        if isinstance(said, dict) and said.get(name):
            found = said[name]
            break
    if isinstance(found, dict):
        found = found.get("message")
    if not isinstance(found, str):
        return f" (status {status})"
    plain = "".join(c if c.isprintable() else " " for c in found)
    return f" (the host: {' '.join(plain.split())[:200]})"
