"""Pull requests in GitHub's shape, which Gitea and Forgejo send too.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from apps.hooks.providers.base import Event, Other
from apps.hooks.providers.reading import addresses, commit, moment, parsed
from apps.previews.pull_requests import PullRequest

# Gitea says "synchronized". Other actions tell of labels, reviews and people.
TELLING = ("opened", "reopened", "synchronize", "synchronized", "edited", "closed", "ready_for_review")


class _Person(BaseModel, strict=True):
    login: str = ""


class _Repository(BaseModel, strict=True):
    id: int
    clone_url: str | None = None
    ssh_url: str | None = None
    html_url: str | None = None


class _Side(BaseModel, strict=True):
    ref: str = ""
    sha: str = ""
    repo: _Repository | None = None


class _PullRequest(BaseModel, strict=True):
    state: Literal["open", "closed"]
    title: str = ""
    html_url: str = ""
    merged: bool | None = False
    user: _Person | None = None
    head: _Side
    base: _Side
    updated_at: str = ""


class _Payload(BaseModel, strict=True):
    action: str
    number: int = Field(gt=0)
    pull_request: _PullRequest
    repository: _Repository
    before: str = ""


def pull_request(host: str, text: bytes) -> Event:
    """Raises UserError `webhook_malformed`."""
    payload = parsed(host, _Payload, text)
    told, own = payload.pull_request, payload.repository
    if payload.action not in TELLING:
        return Other(f"pull request {payload.action}")
    is_open = told.state == "open"
    head = commit(told.head.sha, "pull_request.head.sha") if told.head.sha or is_open else ""
    return PullRequest(
        repository_urls=addresses(own.clone_url, own.ssh_url, own.html_url),
        number=payload.number,
        is_open=is_open,
        head=head,
        ref=f"refs/pull/{payload.number}/head",
        title=told.title,
        author=told.user.login if told.user else "",
        url=told.html_url,
        branch=told.head.ref,
        base=told.base.ref,
        # A fork that is gone is one still: only the repository itself is trusted.
        is_fork=told.head.repo is None or told.head.repo.id != own.id,
        before=commit(payload.before, "before") if payload.before else "",
        merged=bool(told.merged),
        said_at=moment(told.updated_at),
    )
