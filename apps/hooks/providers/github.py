"""GitHub: https://docs.github.com/en/webhooks/webhook-events-and-payloads#push"""

from __future__ import annotations

import hashlib
import hmac
import time
import urllib.parse
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ValidationError

from apps.core.errors import UserError
from apps.hooks.providers.base import Event, Other, Ping, Push
from apps.pods.kinds.app import COMMIT

MOST_COMMITS = 2048  # GitHub lists no more of a push
FUTURE = 24 * 3600  # seconds that the host's clock may be ahead of ours before we do not believe it


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
        return tuple(dict.fromkeys(filter(None, (self.clone_url, self.ssh_url, self.html_url))))


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
        given = headers.get("X-Hub-Signature-256", "").encode("utf-8", "replace")
        found = False
        for key in keys:
            made = b"sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest().encode()
            found |= hmac.compare_digest(given, made) and bool(key)
        return found

    def delivery(self, headers: Mapping[str, str]) -> str:
        return headers.get("X-GitHub-Delivery", "")

    def read(self, headers: Mapping[str, str], body: bytes) -> Event:
        text = _json(headers.get("Content-Type", ""), body)
        event = headers.get("X-GitHub-Event", "")
        try:
            match event:
                case "push":
                    return _push(_Push.model_validate_json(text))
                case "ping":
                    about = _Ping.model_validate_json(text).repository
                    return Ping(about.urls if about else ())
        except (ValidationError, ValueError) as error:
            raise _malformed(error) from None
        return Other(f"event {event}" if event else "event without a name")


def _json(content_type: str, body: bytes) -> bytes:
    """The JSON in a body of either of GitHub's two content types."""
    match content_type.partition(";")[0].strip().lower():
        case "application/json":
            return body
        case "application/x-www-form-urlencoded":
            try:
                fields = urllib.parse.parse_qs(
                    body.decode("ascii"), strict_parsing=True, errors="strict", max_num_fields=4
                )
            except ValueError as error:
                raise _malformed(error) from None
            payloads = fields.get("payload", [])
            if len(payloads) != 1:
                raise _malformed(ValueError())
            return payloads[0].encode("utf-8", "replace")
    raise UserError(
        "webhook_content_type",
        "The content type is not one that a webhook of GitHub has.",
        "Choose application/json in the webhook's settings.",
        status=415,
    )


def _malformed(error: Exception) -> UserError:
    """Names the field at fault; never repeats what was sent."""
    where = ""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        where = f" {field}: {first['msg']}." if field else f" {first['msg']}."
    words = f"The signature is right, but the payload is not what GitHub describes.{where}"
    return UserError("webhook_malformed", words, "Is it sent by GitHub itself?", status=400)


def _push(payload: _Push) -> Event:
    kind, _, name = payload.ref.removeprefix("refs/").partition("/")
    if not payload.ref.startswith("refs/") or kind not in ("heads", "tags") or not name:
        return Other("push to something that is neither a branch nor a tag")
    head, before = _commit(payload.after, "after"), _commit(payload.before, "before")
    deleted = payload.deleted or not head
    at = payload.repository.pushed_at
    return Push(
        repository_urls=payload.repository.urls,
        branch=name if kind == "heads" else "",
        tag=name if kind == "tags" else "",
        head="" if deleted else head,
        before=before,
        deleted=deleted,
        default_branch=payload.repository.default_branch or "",
        message=payload.head_commit.message if payload.head_commit else "",
        pushed_at=at if isinstance(at, int) and 0 < at < time.time() + FUTURE else None,
        paths=_paths(payload, head),
    )


def _commit(sha: str, field: str) -> str:
    """`sha`, or empty for the zeros that stand for none."""
    if not COMMIT.fullmatch(sha):
        raise UserError("webhook_malformed", f"The payload's {field} is no commit id.", status=400)
    return sha if sha.strip("0") else ""


def _paths(payload: _Push, head: str) -> frozenset[str] | None:
    """The files that the listed commits touch; None if the list may not be all that lies between before and after."""
    commits = payload.commits
    partial = payload.created or payload.forced or not 0 < len(commits) < MOST_COMMITS or commits[-1].id != head
    if partial:
        return None
    return frozenset(path for c in commits for paths in (c.added, c.modified, c.removed) for path in paths)
