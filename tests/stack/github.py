"""What GitHub sends: payloads in its shape, and a request signed as it signs."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.parse
import uuid
from collections.abc import Iterable
from typing import Any

ZEROS = "0" * 40


def push_payload(
    head: str,
    *,
    before: str = ZEROS,
    url: str = "https://github.com/octo/shop.git",
    branch: str = "main",
    ref: str = "",
    message: str = "Change the page",
    paths: Iterable[str] = (),
    pushed_at: int | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """The payload of a push event. `paths`: the files the one listed commit modifies; `ref` overrides the branch."""
    name = url.removesuffix(".git").rpartition("github.com/")[2] or "octo/shop"
    commit = {
        "id": head,
        "message": message,
        "timestamp": "2026-11-21T12:00:00Z",
        "author": {"name": "Octo", "email": "octo@example.com"},
        "added": [],
        "removed": [],
        "modified": list(paths),
    }
    deleted = head.strip("0") == ""
    return {
        "ref": ref or f"refs/heads/{branch}",
        "before": before,
        "after": head,
        "created": before == ZEROS,
        "deleted": deleted,
        "forced": False,
        "base_ref": None,
        "compare": f"https://github.com/{name}/compare/{before[:12]}...{head[:12]}",
        "commits": [] if deleted else [commit],
        "head_commit": None if deleted else commit,
        "repository": repository(url) | {"pushed_at": int(time.time()) if pushed_at is None else pushed_at},
        "pusher": {"name": "octo", "email": "octo@example.com"},
        "sender": {"login": "octo", "id": 1},
    } | fields


def pull_payload(
    head: str,
    *,
    number: int = 12,
    action: str = "opened",
    url: str = "https://github.com/octo/shop.git",
    fork: bool = False,
    base: str = "main",
    at: str = "2026-11-22T10:00:00Z",
    merged: bool = False,
    **fields: Any,
) -> dict[str, Any]:
    """The payload of a pull_request event; `at`: when it changed last."""
    own = repository(url)
    return {
        "action": action,
        "number": number,
        "pull_request": {
            "number": number,
            "state": "closed" if action == "closed" else "open",
            "title": "Fix the door",
            "html_url": f"https://github.com/octo/shop/pull/{number}",
            "user": {"login": "mona"},
            "merged": merged,
            "head": {"ref": "door", "sha": head, "repo": own | {"id": 2 if fork else own["id"]}},
            "base": {"ref": base, "sha": ZEROS, "repo": own},
            "updated_at": at,
        },
        "repository": own,
        "sender": {"login": "mona", "id": 2},
    } | fields


def repository(url: str = "https://github.com/octo/shop.git") -> dict[str, Any]:
    return {"id": 1, "full_name": "octo/shop", "private": False, "clone_url": url, "default_branch": "main"}


def ping_payload(url: str = "https://github.com/octo/shop.git") -> dict[str, Any]:
    return {
        "zen": "Keep it logically awesome.",
        "hook_id": 1,
        "hook": {"type": "Repository", "events": ["push"], "active": True},
        "repository": repository(url) | {"pushed_at": "2026-11-21T12:00:00Z"},
    }


def signature(body: bytes, key: str) -> str:
    return "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def signed(
    payload: Any, key: str, *, event: str = "push", delivery: str = "", form: bool = False
) -> tuple[bytes, dict[str, str]]:
    """The body and the headers of a delivery. `payload`: what becomes JSON, or the body itself as bytes."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    if form:
        body = urllib.parse.urlencode({"payload": body}).encode()
    return body, {
        "Content-Type": "application/x-www-form-urlencoded" if form else "application/json",
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
        "X-Hub-Signature-256": signature(body, key),
    }
