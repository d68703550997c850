"""The repositories that a connection sees, to choose from."""

from __future__ import annotations

import itertools
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from apps.connections.models import Connection, Kind, Provider
from apps.connections.remote.client import Client, Task, client
from apps.core.errors import Invalid, UserError
from apps.sources.urls import check_url

PAGES = 5  # that are asked for; of a hundred repositories each, where the host gives that many
SECONDS = 20.0  # after which no other page is asked for
KEPT = 60.0  # seconds that a list is good for: it is searched letter by letter
_FEW = 20  # no host gives fewer a page unless there are no more
LIST = Task(
    "list its repositories",
    {"metadata": "read"},
    {
        Provider.GITHUB: "the scope repo, or of a fine-grained token Metadata: read",
        Provider.GITLAB: "the scope read_api",
        Provider.BITBUCKET: "the scopes repository and account",
        Provider.GITEA: "the scopes read:repository and read:user",
    },
)


@dataclass(frozen=True, slots=True)
class Repository:
    """`name`: owner/name; `url`: its https address. `private` is False where the host does not say."""

    name: str
    url: str
    private: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """`more`: the host has others, which were not asked for."""

    found: tuple[Repository, ...]
    more: bool = False

    def search(self, words: str) -> Listing:
        """Those whose names have all of `words`."""
        wanted = words.lower().split()
        return replace(self, found=tuple(r for r in self.found if all(one in r.name.lower() for one in wanted)))


_lock = threading.Lock()
_kept: dict[tuple[str, str, str], tuple[float, Listing]] = {}


def repositories(connection: Connection, words: str = "") -> Listing:
    """Those it sees and may be shown for, the host's own order, that have all of `words`.

    Raises UserError("authentication_failed" | "access_revoked" | "host_refused" | "source_unreachable"), Unavailable.
    """
    # GitLab searches by itself, which reaches beyond the first hundreds.
    asked = words.strip() if connection.provider == Provider.GITLAB and len(words.strip()) > 2 else ""
    place = (connection.pk, connection.path, asked)
    with _lock:
        until, kept = _kept.get(place, (0.0, Listing(())))
    if until < time.monotonic():
        kept = _asked(client(connection, LIST), asked)
        with _lock:
            for old in [key for key, (end, _) in _kept.items() if end < time.monotonic()]:
                del _kept[old]
            _kept[place] = (time.monotonic() + KEPT, kept)
    return kept.search(words)


def _asked(host: Client, words: str) -> Listing:
    found: dict[str, Repository] = {}
    until = time.monotonic() + SECONDS
    for number, page in enumerate(_ROWS[host.provider](host, words)):
        if number == PAGES or time.monotonic() > until:
            return Listing(tuple(found.values()), more=True)
        for row in page:
            one = _read(host.connection, row)
            if one and not one.archived:
                found.setdefault(one.name, one)
    return Listing(tuple(found.values()))


def _pages(host: Client, path: str, query: Mapping[str, object], inner: str = "") -> Iterator[list[Any]]:
    """Page after page of a list, or of the list called `inner` in each answer."""
    for number in itertools.count(1):
        said = host.get(path, page=number, **query)
        page = said.get(inner) if inner and isinstance(said, dict) else said
        if not isinstance(page, list):
            raise UserError(
                "source_unreachable", f"{host.connection.host} lists no repositories.", "Is it such a host?"
            )
        if not page:
            return
        yield page
        if len(page) < _FEW or (isinstance(said, dict) and "next" not in said and "total_count" not in said):
            return


def _github(host: Client, words: str) -> Iterator[list[Any]]:
    if host.connection.kind == Kind.GITHUB_APP:
        return _pages(host, "/installation/repositories", {"per_page": 100}, "repositories")
    return _pages(host, "/user/repos", {"per_page": 100, "sort": "pushed"})


def _gitlab(host: Client, words: str) -> Iterator[list[Any]]:
    query = {"per_page": "100", "membership": "true", "order_by": "last_activity_at", "archived": "false"}
    if words:
        query |= {"search": words, "search_namespaces": "true"}
    return _pages(host, "/projects", query)


def _gitea(host: Client, words: str) -> Iterator[list[Any]]:
    return _pages(host, "/user/repos", {"limit": 50})


def _bitbucket(host: Client, words: str) -> Iterator[list[Any]]:
    owner = host.connection.scope.partition("/")[0]
    for workspace in [owner] if owner else _workspaces(host):
        path = f"/repositories/{urllib.parse.quote(workspace, safe='')}"
        yield from _pages(host, path, {"pagelen": 100, "sort": "-updated_on"}, "values")


def _workspaces(host: Client) -> list[str]:
    status, said = host.ask("GET", "/user/workspaces", pagelen=100)
    if status in (404, 410):  # the older address of the same
        status, said = host.ask("GET", "/user/permissions/workspaces", pagelen=100)
    if status != 200 or not isinstance(said, dict):
        raise host.refused(status, said)
    found = [row.get("workspace", {}).get("slug") for row in said.get("values", ()) if isinstance(row, dict)]
    return [slug for slug in found if isinstance(slug, str) and slug]


_ROWS: dict[Provider, Callable[[Client, str], Iterator[list[Any]]]] = {
    Provider.GITHUB: _github,
    Provider.GITLAB: _gitlab,
    Provider.GITEA: _gitea,
    Provider.BITBUCKET: _bitbucket,
}


def _read(connection: Connection, row: Any) -> Repository | None:
    """What a host says of one repository; None for what the connection is not for, or is none."""
    if not isinstance(row, dict):
        return None
    name = row.get("full_name") or row.get("path_with_namespace")
    url = row.get("clone_url") or row.get("http_url_to_repo") or _link(row)
    if not isinstance(name, str) or not isinstance(url, str) or not name.isprintable() or len(name) > 300:
        return None
    try:
        parsed = check_url(url, allowed=settings.BRAINPOD.networks)
    except Invalid:
        return None
    private = bool(row.get("private", row.get("is_private", row.get("visibility", "public") != "public")))
    return Repository(name, parsed.url, private, bool(row.get("archived"))) if connection.fits(parsed) else None


def _link(row: dict[str, Any]) -> str:
    """Bitbucket's address of a clone, without the name of who asks."""
    for link in row.get("links", {}).get("clone", ()):
        if isinstance(link, dict) and link.get("name") == "https":
            scheme, _, rest = str(link.get("href", "")).partition("://")
            return f"{scheme}://{rest.rpartition('@')[2]}"
    return ""
