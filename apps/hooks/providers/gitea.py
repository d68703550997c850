"""Gitea, and Forgejo, which kept its format: https://docs.gitea.com/usage/webhooks"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel

from apps.hooks.providers.base import Event, Push
from apps.hooks.providers.pulls import pull_request
from apps.hooks.providers.reading import addresses, json_of, made_by, moved, other, parsed


class _Commit(BaseModel, strict=True):
    message: str = ""


class _Repository(BaseModel, strict=True):
    clone_url: str | None = None
    ssh_url: str | None = None
    html_url: str | None = None
    default_branch: str | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        return addresses(self.clone_url, self.ssh_url, self.html_url)


class _Push(BaseModel, strict=True):
    ref: str
    before: str
    after: str
    repository: _Repository
    head_commit: _Commit | None = None


class _Delete(BaseModel, strict=True):
    ref: str
    ref_type: Literal["branch", "tag"]
    repository: _Repository


class Gitea:
    """They do not say whether a push was forced, and list a few commits only: which paths changed is not known."""

    name = "Gitea"

    def recognises(self, headers: Mapping[str, str]) -> bool:
        return "X-Gitea-Event" in headers or "X-Forgejo-Event" in headers

    def signed(self, headers: Mapping[str, str], body: bytes, keys: Sequence[str]) -> bool:
        if "X-Hub-Signature-256" in headers:
            return made_by(headers["X-Hub-Signature-256"], body, keys)
        given = headers.get("X-Gitea-Signature") or headers.get("X-Forgejo-Signature", "")
        return made_by(given, body, keys, prefix="")

    def delivery(self, headers: Mapping[str, str]) -> str:
        return headers.get("X-Gitea-Delivery") or headers.get("X-Forgejo-Delivery", "")

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:
        text = json_of(self.name, headers.get("Content-Type", ""), body, form=True)
        event = headers.get("X-Gitea-Event") or headers.get("X-Forgejo-Event", "")
        match event:
            case "push":
                push = parsed(self.name, _Push, text)
                message = push.head_commit.message if push.head_commit else ""
                default = push.repository.default_branch or ""
                urls = push.repository.urls
                return [moved(push.ref, push.before, push.after, urls, message=message, default_branch=default)]
            case "pull_request" | "pull_request_sync":
                return [pull_request(self.name, text)]
            case "delete":
                gone = parsed(self.name, _Delete, text)
                branch, tag = (gone.ref, "") if gone.ref_type == "branch" else ("", gone.ref)
                return [Push(gone.repository.urls, branch=branch, tag=tag, deleted=True)]
        return other(event)
