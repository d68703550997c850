"""Pull requests as Bitbucket Data Center tells of them; its pushes are read beside Bitbucket Cloud's.

https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from apps.core.errors import UserError
from apps.hooks.providers.base import Event
from apps.hooks.providers.reading import addresses, commit, moment, parsed
from apps.previews.pull_requests import PullRequest

# Others tell of reviewers and comments, and of a target that moved, which changes nothing of the pull request.
DELETED = "pr:deleted"
PULLS = ("pr:opened", "pr:from_ref_updated", "pr:modified", "pr:merged", "pr:declined", DELETED)


class _Link(BaseModel, strict=True):
    href: str


class _Links(BaseModel, strict=True):
    clone: list[_Link] = []
    page: list[_Link] = Field(default=[], alias="self")


class _Repository(BaseModel, strict=True):
    id: int
    links: _Links

    @property
    def urls(self) -> tuple[str, ...]:
        """Those for https first: they name the repository as its pages do."""
        hrefs = sorted((link.href for link in self.links.clone), key=lambda href: not href.startswith("https://"))
        return addresses(*hrefs)


class _Ref(BaseModel, strict=True):
    id: str
    latestCommit: str
    repository: _Repository

    @property
    def branch(self) -> str:
        return self.id.removeprefix("refs/heads/")


class _User(BaseModel, strict=True):
    name: str = ""
    displayName: str = ""


class _Author(BaseModel, strict=True):
    user: _User = _User()


class _PullRequest(BaseModel, strict=True):
    id: int = Field(gt=0)
    title: str = ""
    state: Literal["OPEN", "MERGED", "DECLINED"]
    fromRef: _Ref
    toRef: _Ref
    author: _Author = _Author()
    links: _Links = _Links()


class _Payload(BaseModel, strict=True):
    date: str = ""
    pullRequest: _PullRequest
    previousFromHash: str = ""


def pull_request(host: str, event: str, text: bytes) -> Event:
    """Raises UserError `webhook_malformed`. One that is deleted is told of as it last was, open mostly."""
    payload = parsed(host, _Payload, text)
    told = payload.pullRequest
    own, source = told.toRef.repository, told.fromRef.repository
    head = commit(told.fromRef.latestCommit, "pullRequest.fromRef.latestCommit")
    if not head:
        words = "The payload's pullRequest.fromRef.latestCommit is no commit id."
        raise UserError("webhook_malformed", words, status=400)
    is_fork = source.id != own.id
    return PullRequest(
        repository_urls=own.urls,
        number=told.id,
        is_open=told.state == "OPEN" and event != DELETED,
        head=head,
        ref=told.fromRef.branch,
        title=told.title,
        author=told.author.user.name or told.author.user.displayName,
        url=told.links.page[0].href if told.links.page else "",
        branch=told.fromRef.branch,
        base=told.toRef.branch,
        is_fork=is_fork,
        source_url=source.urls[0] if is_fork and source.urls else "",
        before=commit(payload.previousFromHash, "previousFromHash") if payload.previousFromHash else "",
        merged=told.state == "MERGED",
        # When it was said: `updatedDate` stays as it was when a pull request is deleted.
        said_at=moment(payload.date),
    )
