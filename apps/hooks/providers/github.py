"""GitHub: https://docs.github.com/en/webhooks/webhook-events-and-payloads#push"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from apps.hooks.providers.base import Event, Other, Ping
from apps.hooks.providers.pulls import pull_request
from apps.hooks.providers.reading import FUTURE, addresses, json_of, made_by, moved, other, parsed

MOST_COMMITS = 2048  # GitHub lists no more of a push


class _Commit(BaseModel, strict=True):
    id: str
    message: str = ""
    added: list[str] = []
    modified: list[str] = []
    removed: list[str] = []


class _Repository(BaseModel, strict=True):
    clone_url: str | None = None
    ssh_url: str | None = None
    html_url: str | None = None
    default_branch: str | None = None
    pushed_at: int | str | None = None  # seconds in a push, ISO 8601 in every other event

    @property
    def urls(self) -> tuple[str, ...]:
        return addresses(self.clone_url, self.ssh_url, self.html_url)


class _Push(BaseModel, strict=True):
    ref: str
    before: str
    after: str
    created: bool = False
    deleted: bool = False
    forced: bool = False
    repository: _Repository
    commits: list[_Commit] = []
    head_commit: _Commit | None = None


class _Ping(BaseModel, strict=True):
    repository: _Repository | None = None


class GitHub:
    name = "GitHub"

    def recognises(self, headers: Mapping[str, str]) -> bool:
        return "X-GitHub-Event" in headers

    def signed(self, headers: Mapping[str, str], body: bytes, keys: Sequence[str]) -> bool:
        return made_by(headers.get("X-Hub-Signature-256", ""), body, keys)

    def delivery(self, headers: Mapping[str, str]) -> str:
        return headers.get("X-GitHub-Delivery", "")

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:
        text = json_of(self.name, headers.get("Content-Type", ""), body, form=True)
        event = headers.get("X-GitHub-Event", "")
        match event:
            case "push":
                return [_push(parsed(self.name, _Push, text))]
            case "pull_request":
                return [pull_request(self.name, text)]
            case "ping":
                about = parsed(self.name, _Ping, text).repository
                return [Ping(about.urls if about else ())]
        return other(event)


def _push(payload: _Push) -> Event:
    push = moved(payload.ref, payload.before, payload.after, payload.repository.urls)
    if isinstance(push, Other):
        return push
    at = payload.repository.pushed_at
    return dataclasses.replace(
        push,
        head="" if payload.deleted else push.head,
        deleted=payload.deleted or push.deleted,
        default_branch=payload.repository.default_branch or "",
        message=payload.head_commit.message if payload.head_commit else "",
        pushed_at=at if isinstance(at, int) and 0 < at < time.time() + FUTURE else None,
        paths=_paths(payload, push.head),
    )


def _paths(payload: _Push, head: str) -> frozenset[str] | None:
    """The files that the listed commits touch; None if the list may not be all that lies between before and after."""
    commits = payload.commits
    partial = payload.created or payload.forced or not 0 < len(commits) < MOST_COMMITS or commits[-1].id != head
    if partial:
        return None
    return frozenset(path for c in commits for paths in (c.added, c.modified, c.removed) for path in paths)
