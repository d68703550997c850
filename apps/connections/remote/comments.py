"""One comment on a pull request, made and then changed: it is found again by a line that no page shows."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import Any

from apps.connections.models import Connection, Provider
from apps.connections.remote.client import Client, Task, client

PAGES = 5  # of comments that are looked through
COMMENT = Task(
    "comment on pull requests",
    {"pull_requests": "write"},
    {
        Provider.GITHUB: "the scope repo, of a fine-grained token Pull requests: write, of an app the same",
        Provider.GITLAB: "the scope api and the role Developer",
        Provider.BITBUCKET: "the scope pullrequest",
        Provider.GITEA: "the scope write:issue",
    },
)


@dataclass(frozen=True, slots=True)
class _Place:
    """`many`: where comments are listed and made; `one`: where the one whose id follows is changed by `verb`."""

    many: str
    one: str
    verb: str = "PATCH"
    size: str = "per_page"


def pull_request_comment(
    connection: Connection, repository: str, number: int, body: str, *, marker: str = "preview"
) -> None:
    """`body` (Markdown) as the one comment of `marker` on pull request `number` of `repository` (owner/name).

    Raises UserError("host_refused" | "authentication_failed" | "source_unreachable" | …), Unavailable.
    """
    host = client(connection, COMMENT, repository)
    place, line = _place(host, repository, number), _line(marker)
    text = f"{line}\n\n{body}"
    content: dict[str, Any] = {"content": {"raw": text}} if host.provider == Provider.BITBUCKET else {"body": text}
    known = _known(host, place, line)
    if known:
        status, said = host.ask(place.verb, f"{place.one}/{known}", content)
    else:
        status, said = host.ask("POST", place.many, content)
    if status not in (200, 201):
        raise host.refused(status, said)


def _line(marker: str) -> str:
    """A link's definition that nothing refers to: the Markdown of all hosts shows none."""
    return f"[//]: # (brainpod {marker})"


def _place(host: Client, repository: str, number: int) -> _Place:
    match host.provider:
        case Provider.GITLAB:
            notes = f"/projects/{urllib.parse.quote(repository, safe='')}/merge_requests/{number}/notes"
            return _Place(notes, notes, "PUT")
        case Provider.BITBUCKET:
            there = f"/repositories/{repository}/pullrequests/{number}/comments"
            return _Place(there, there, "PUT", "pagelen")
        case Provider.GITEA:
            return _Place(
                f"/repos/{repository}/issues/{number}/comments", f"/repos/{repository}/issues/comments", size="limit"
            )
        case _:
            return _Place(f"/repos/{repository}/issues/{number}/comments", f"/repos/{repository}/issues/comments")


def _known(host: Client, place: _Place, line: str) -> int:
    """The id of the comment that begins with `line`; 0: there is none."""
    seen: set[int] = set()
    for page in range(1, PAGES + 1):
        said = host.get(place.many, page=page, **{place.size: 100})
        rows = said.get("values", []) if isinstance(said, dict) else said
        fresh = [row for row in rows if isinstance(row, dict) and row.get("id") not in seen]
        for row in fresh:
            content = row.get("content")
            text = content.get("raw") if isinstance(content, dict) else row.get("body")
            if (
                isinstance(text, str)
                and text.startswith(line)
                and isinstance(row.get("id"), int)
                and not row.get("deleted")
            ):
                return int(row["id"])
            seen.add(row.get("id", 0))
        if len(fresh) < 20:
            return 0
    return 0
