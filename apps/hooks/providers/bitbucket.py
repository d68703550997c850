"""Bitbucket Cloud and Data Center, by their event keys.

https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/
https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, Field

from apps.core.errors import UserError
from apps.hooks.providers import data_center
from apps.hooks.providers.base import Event, Ping, Push
from apps.hooks.providers.reading import addresses, commit, json_of, made_by, moment, moved, other, parsed
from apps.previews.pull_requests import PullRequest

PULLS = ("pullrequest:created", "pullrequest:updated", "pullrequest:fulfilled", "pullrequest:rejected")
_SHORT = re.compile(r"[0-9a-f]{7,40}")  # Bitbucket names the commits of a pull request by their first characters
MOST_CHANGES = 20  # branches and tags of one push that are looked at


class _Target(BaseModel, strict=True):
    hash: str
    message: str = ""


class _Ref(BaseModel, strict=True):
    name: str
    type: str  # branch, tag, or named_branch and bookmark of days gone by
    target: _Target | None = None

    @property
    def head(self) -> str:
        return commit(self.target.hash, "target.hash") if self.target else ""


class _Change(BaseModel, strict=True):
    old: _Ref | None = None
    new: _Ref | None = None


class _Changes(BaseModel, strict=True):
    changes: list[_Change]


class _Repository(BaseModel, strict=True):
    full_name: str


class _Push(BaseModel, strict=True):
    repository: _Repository
    push: _Changes


class _Link(BaseModel, strict=True):
    href: str


class _Links(BaseModel, strict=True):
    clone: list[_Link] = []


class _ServerRepository(BaseModel, strict=True):
    links: _Links


class _ServerRef(BaseModel, strict=True):
    id: str


class _ServerChange(BaseModel, strict=True):
    ref: _ServerRef
    fromHash: str
    toHash: str
    type: Literal["ADD", "UPDATE", "DELETE"]


class _ServerPush(BaseModel, strict=True):
    repository: _ServerRepository
    changes: list[_ServerChange]


class _Named(BaseModel, strict=True):
    name: str = ""


class _Person(BaseModel, strict=True):
    nickname: str = ""
    display_name: str = ""


class _Side(BaseModel, strict=True):
    branch: _Named
    commit: _Target | None = None
    repository: _Repository | None = None


class _PullLinks(BaseModel, strict=True):
    html: _Link | None = None


class _PullRequest(BaseModel, strict=True):
    id: int = Field(gt=0)
    title: str = ""
    state: Literal["OPEN", "MERGED", "DECLINED", "SUPERSEDED"]
    author: _Person | None = None
    source: _Side
    destination: _Side
    links: _PullLinks = _PullLinks()
    updated_on: str = ""


class _Pull(BaseModel, strict=True):
    repository: _Repository
    pullrequest: _PullRequest


class Bitbucket:
    """One delivery tells of every branch and tag of a push, and not which branch is the default one."""

    name = "Bitbucket"

    def recognises(self, headers: Mapping[str, str]) -> bool:
        return "X-Event-Key" in headers

    def signed(self, headers: Mapping[str, str], body: bytes, keys: Sequence[str]) -> bool:
        return made_by(headers.get("X-Hub-Signature", ""), body, keys)

    def delivery(self, headers: Mapping[str, str]) -> str:
        return headers.get("X-Request-UUID") or headers.get("X-Request-Id", "")

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:
        event = headers.get("X-Event-Key", "")
        if event == "diagnostics:ping":
            return [Ping()]
        text = json_of(self.name, headers.get("Content-Type", ""), body)
        match event:
            case "repo:push":
                return list(_cloud(parsed(self.name, _Push, text)))
            case "repo:refs_changed":
                return list(_server(parsed(self.name, _ServerPush, text)))
            case _ if event in PULLS:
                return [_pull_request(parsed(self.name, _Pull, text))]
            case _ if event in data_center.PULLS:
                return [data_center.pull_request(self.name, event, text)]
        return other(event)


def _cloud(payload: _Push) -> Iterator[Event]:
    urls = (f"https://bitbucket.org/{payload.repository.full_name}",)
    for change in payload.push.changes[:MOST_CHANGES]:
        ref = change.new or change.old
        if ref is None or ref.type not in ("branch", "tag"):
            continue
        head, before = (change.new.head if change.new else ""), (change.old.head if change.old else "")
        message = change.new.target.message if change.new and change.new.target else ""
        branch, tag = (ref.name, "") if ref.type == "branch" else ("", ref.name)
        yield Push(urls, branch=branch, tag=tag, head=head, before=before, deleted=not head, message=message)


def _server(payload: _ServerPush) -> Iterator[Event]:
    urls = addresses(*(link.href for link in payload.repository.links.clone))
    for change in payload.changes[:MOST_CHANGES]:
        yield moved(change.ref.id, change.fromHash, change.toHash, urls)


def _pull_request(payload: _Pull) -> Event:
    """It has no ref of its own: its commits are fetched by the branch, of the fork where it comes from one."""
    told, own = payload.pullrequest, payload.repository.full_name
    source = told.source.repository.full_name if told.source.repository else ""
    head = told.source.commit.hash if told.source.commit else ""
    is_open = told.state == "OPEN"
    if (head and not _SHORT.fullmatch(head)) or (is_open and not head):
        raise UserError("webhook_malformed", "The payload's pullrequest.source.commit is no commit id.", status=400)
    return PullRequest(
        repository_urls=(f"https://bitbucket.org/{own}",),
        number=told.id,
        is_open=is_open,
        head=head,
        ref=told.source.branch.name,
        title=told.title,
        author=(told.author.nickname or told.author.display_name) if told.author else "",
        url=told.links.html.href if told.links.html else "",
        branch=told.source.branch.name,
        base=told.destination.branch.name,
        is_fork=source != own,
        source_url=f"https://bitbucket.org/{source}" if source and source != own else "",
        merged=told.state == "MERGED",
        said_at=moment(told.updated_on),
    )
