"""Commit statuses, in each host's words."""

from __future__ import annotations

import hashlib
import urllib.parse
from typing import Any

from apps.connections.models import Connection, Provider
from apps.connections.remote.client import Task, client

STATUS = Task(
    "write commit statuses",
    {"statuses": "write"},
    {
        Provider.GITHUB: "the scope repo:status, of a fine-grained token Commit statuses: write, of an app the same",
        Provider.GITLAB: "the scope api and the role Developer",
        Provider.BITBUCKET: "the scope repository",
        Provider.GITEA: "the scope write:repository",
    },
)
_GITLAB = {"pending": "running", "success": "success", "failure": "failed", "error": "canceled"}
_BITBUCKET = {"pending": "INPROGRESS", "success": "SUCCESSFUL", "failure": "FAILED", "error": "STOPPED"}


def report(
    connection: Connection, repository: str, commit: str, *, state: str, context: str, words: str, address: str
) -> None:
    """`state`: pending, success, failure or error. `context` names the status: the same one is written anew.

    Raises UserError("host_refused" | "authentication_failed" | "source_unreachable" | …), Unavailable.
    """
    host = client(connection, STATUS, repository)
    short = words if len(words) <= 140 else f"{words[:139]}…"
    whole = urllib.parse.quote(repository, safe="")
    body: dict[str, Any] = {"state": state, "context": context, "description": short, "target_url": address}
    path = f"/repos/{repository}/statuses/{commit}"
    match host.provider:
        case Provider.GITLAB:
            path = f"/projects/{whole}/statuses/{commit}"
            body = {"state": _GITLAB[state], "name": context, "description": short, "target_url": address}
        case Provider.BITBUCKET:
            path = f"/repositories/{repository}/commit/{commit}/statuses/build"
            key = hashlib.sha1(context.encode(), usedforsecurity=False).hexdigest()  # at most 40 characters
            body = {"key": key, "state": _BITBUCKET[state], "name": context, "description": short, "url": address}
    status, said = host.ask("POST", path, body)
    # GitLab calls it a mistake to say once more what it knows.
    if status == 400 and host.provider == Provider.GITLAB and "Cannot transition" in str(said):
        return
    if status not in (200, 201):
        raise host.refused(status, said)
