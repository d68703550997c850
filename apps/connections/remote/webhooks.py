"""Webhooks of repositories, registered at the host: ours are known by their address, so that one is enough."""

from __future__ import annotations

import urllib.parse
from typing import Any

from apps.connections.models import Connection, Provider
from apps.connections.remote.client import Client, Task, client, told
from apps.core.errors import UserError

PAGES = 5  # of webhooks that are looked through
HOOKS = Task(
    "register webhooks",
    {"repository_hooks": "write"},
    {
        Provider.GITHUB: "the scope admin:repo_hook, of a fine-grained token or an app Webhooks: write",
        Provider.GITLAB: "the scope api and the role Maintainer",
        Provider.BITBUCKET: "the scope webhook, of an admin of the repository",
        Provider.GITEA: "the scope write:repository, of an admin of the repository",
    },
)
_CHANGE = {Provider.GITHUB: "PATCH", Provider.GITEA: "PATCH", Provider.GITLAB: "PUT", Provider.BITBUCKET: "PUT"}
_SIZE = {Provider.BITBUCKET: "pagelen", Provider.GITEA: "limit"}


def ensure(connection: Connection, repository: str, address: str, secret: str) -> None:
    """Have the host tell `address` of pushes and pull requests in `repository` (owner/name), signed with `secret`.

    Raises UserError("host_refused" | "authentication_failed" | "source_unreachable" | …), Unavailable.
    """
    host = client(connection, HOOKS, repository)
    place, body = _place(host, repository), _body(host.provider, address, secret)
    known = _ours(host, place, address)
    if known:
        status, said = host.ask(_CHANGE[host.provider], f"{place}/{known[0]}", body)
    else:
        status, said = host.ask("POST", place, body)
    if status in (400, 422):
        hint = f"It may not be willing to send to {address}, or not be able to.{told(said, status)}"
        raise UserError("host_refused", f"{connection.host} does not take the webhook.", hint)
    if status not in (200, 201):
        raise host.refused(status, said)


def remove(connection: Connection, repository: str, address: str) -> None:
    """Have the host forget `address`; that it does not know it is no error. Raises as `ensure`."""
    host = client(connection, HOOKS, repository)
    place = _place(host, repository)
    for known in _ours(host, place, address):
        status, said = host.ask("DELETE", f"{place}/{known}")
        if status not in (200, 204, 404):
            raise host.refused(status, said)


def _place(host: Client, repository: str) -> str:
    match host.provider:
        case Provider.GITLAB:
            return f"/projects/{urllib.parse.quote(repository, safe='')}/hooks"
        case Provider.BITBUCKET:
            return f"/repositories/{repository}/hooks"
        case _:
            return f"/repos/{repository}/hooks"


def _ours(host: Client, place: str, address: str) -> list[str]:
    """What the host calls those that lead to `address`, as part of a path."""
    found: list[str] = []
    seen: set[str] = set()
    for page in range(1, PAGES + 1):
        said = host.get(place, page=page, **{_SIZE.get(host.provider, "per_page"): 100})
        rows = said.get("values") if isinstance(said, dict) else said
        fresh = [row for row in rows or () if isinstance(row, dict) and _id(row) not in seen]
        for row in fresh:
            seen.add(_id(row))
            if _leads_to(row).rstrip("/") == address.rstrip("/"):
                found.append(_id(row))
        if len(fresh) < 10:  # no host gives fewer to a page
            break
    return found


def _id(row: dict[str, Any]) -> str:
    return urllib.parse.quote(str(row.get("id") or row.get("uuid") or ""), safe="")


def _leads_to(row: dict[str, Any]) -> str:
    config = row.get("config")
    url = (config if isinstance(config, dict) else row).get("url")
    return url if isinstance(url, str) else ""


def _body(provider: Provider, address: str, secret: str) -> dict[str, Any]:
    """Pushes of branches and tags, branches that go, and pull requests; in the host's own words."""
    config = {"url": address, "content_type": "json", "secret": secret}
    match provider:
        case Provider.GITLAB:
            return {
                "url": address, "token": secret, "push_events": True, "tag_push_events": True,
                "merge_requests_events": True,
            }  # fmt: skip
        case Provider.BITBUCKET:
            pulls = [f"pullrequest:{what}" for what in ("created", "updated", "fulfilled", "rejected")]
            return {
                "description": "Brainpod", "url": address, "secret": secret, "active": True,
                "events": ["repo:push", *pulls],
            }  # fmt: skip
        case Provider.GITEA:
            # "pull_request" would tell of every comment and label too.
            events = ["push", "delete", "pull_request_only", "pull_request_sync"]
            return {"type": "gitea", "active": True, "events": events, "config": config}
        case _:
            return {"name": "web", "active": True, "events": ["push", "delete", "pull_request"], "config": config}
