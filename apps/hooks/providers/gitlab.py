"""GitLab: https://docs.gitlab.com/user/project/integrations/webhook_events/#push-events"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from apps.hooks.providers.base import Event
from apps.hooks.providers.reading import addresses, is_one_of, json_of, moved, other, parsed

PUSHES = ("Push Hook", "Tag Push Hook")


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
        if event not in PUSHES:
            return other(event)
        push = parsed(self.name, _Push, text)
        message = next((commit.message for commit in push.commits if commit.id == push.after), "")
        project = push.project
        urls = addresses(project.git_http_url, project.git_ssh_url, project.web_url)
        default = project.default_branch or ""
        return [moved(push.ref, push.before, push.after, urls, message=message, default_branch=default)]
