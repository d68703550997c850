"""GitLab: https://docs.gitlab.com/user/project/integrations/webhook_events/#push-events"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, Field

from apps.hooks.providers.base import Event, Other
from apps.hooks.providers.reading import addresses, commit, is_one_of, json_of, moment, moved, other, parsed
from apps.previews.pull_requests import PullRequest

PUSHES = ("Push Hook", "Tag Push Hook")
TELLING = ("open", "reopen", "update", "close", "merge", "")  # other actions are about reviews


class _Commit(BaseModel, strict=True):
    id: str
    message: str = ""


class _Project(BaseModel, strict=True):
    git_http_url: str | None = None
    git_ssh_url: str | None = None
    web_url: str | None = None
    default_branch: str | None = None


class _Push(BaseModel, strict=True):
    ref: str
    before: str
    after: str
    project: _Project
    commits: list[_Commit] = []


class _Person(BaseModel, strict=True):
    username: str = ""


class _Attributes(BaseModel, strict=True):
    iid: int = Field(gt=0)
    title: str = ""
    action: str = ""
    state: Literal["opened", "closed", "merged", "locked"]
    source_branch: str = ""
    target_branch: str = ""
    source_project_id: int | None = None
    target_project_id: int
    last_commit: _Commit | None = None
    url: str = ""
    updated_at: str = ""
    oldrev: str = ""


class _MergeRequest(BaseModel, strict=True):
    user: _Person | None = None
    project: _Project
    object_attributes: _Attributes


class GitLab:
    """The secret itself is sent, and nothing of the body is signed: https is what keeps it.

    It does not say whether a push was forced: which paths changed since the commit before is not known.
    """

    name = "GitLab"

    def recognises(self, headers: Mapping[str, str]) -> bool:
        return "X-Gitlab-Event" in headers

    def signed(self, headers: Mapping[str, str], body: bytes, keys: Sequence[str]) -> bool:
        return is_one_of(headers.get("X-Gitlab-Token", ""), keys)

    def delivery(self, headers: Mapping[str, str]) -> str:
        return headers.get("X-Gitlab-Event-UUID", "")

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:
        text = json_of(self.name, headers.get("Content-Type", ""), body)
        event = headers.get("X-Gitlab-Event", "")
        if event == "Merge Request Hook":
            return [_merge_request(parsed(self.name, _MergeRequest, text))]
        if event not in PUSHES:
            return other(event)
        push = parsed(self.name, _Push, text)
        message = next((commit.message for commit in push.commits if commit.id == push.after), "")
        project = push.project
        urls = addresses(project.git_http_url, project.git_ssh_url, project.web_url)
        default = project.default_branch or ""
        return [moved(push.ref, push.before, push.after, urls, message=message, default_branch=default)]


def _merge_request(payload: _MergeRequest) -> Event:
    told = payload.object_attributes
    if told.action not in TELLING:
        return Other(f"merge request {told.action}")
    project = payload.project
    # "locked" is the moment while it is being merged: it is open still.
    is_open = told.state in ("opened", "locked")
    head = commit(told.last_commit.id, "last_commit.id") if told.last_commit else ""
    if is_open and not head:
        return Other(f"merge request {told.iid} without a commit")
    return PullRequest(
        repository_urls=addresses(project.git_http_url, project.git_ssh_url, project.web_url),
        number=told.iid,
        is_open=is_open,
        head=head,
        ref=f"refs/merge-requests/{told.iid}/head",
        title=told.title,
        author=payload.user.username if payload.user else "",
        url=told.url,
        branch=told.source_branch,
        base=told.target_branch,
        is_fork=told.source_project_id != told.target_project_id,
        before=commit(told.oldrev, "oldrev") if told.oldrev else "",
        merged=told.state == "merged",
        said_at=moment(told.updated_at),
    )
