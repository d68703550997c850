"""Deliveries of git hosts: corpora/webhooks.yaml. Through the address itself they are sent in tests/hooks."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from apps.core.errors import UserError
from apps.hooks import providers
from apps.hooks.views import REFUSED
from tests.security.corpus import Group, groups, hold, placed
from tests.stack.github import push_payload

KEY = "k3y-of-the-corpus"
PAYLOADS = Path(__file__).resolve().parents[1] / "hooks" / "payloads"
A, B = "a" * 40, "b" * 40
# The header that tells the event, what it says, and the header of the signature.
EVENTS = {
    "github push": ("X-GitHub-Event", "push", "X-Hub-Signature-256"),
    "github pull_request": ("X-GitHub-Event", "pull_request", "X-Hub-Signature-256"),
    "gitlab push": ("X-Gitlab-Event", "Push Hook", "X-Gitlab-Token"),
    "gitea push": ("X-Gitea-Event", "push", "X-Gitea-Signature"),
}


def payload_of(event: str) -> dict[str, Any]:
    if event == "github push":
        return push_payload(B, before=A, paths=["a.txt"])
    return dict(json.loads((PAYLOADS / f"{event.replace(' ', '-').replace('_', '-')}.json").read_text()))


def deliver(event: str, body: bytes, *, kind: str = "application/json", signature: str | None = None) -> None:
    """As the view does (apps/hooks/views.py), up to what is read of the delivery."""
    name, word, where = EVENTS[event]
    made = hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()
    right = {"X-Hub-Signature-256": f"sha256={made}", "X-Gitlab-Token": KEY, "X-Gitea-Signature": made}[where]
    headers = {name: word, "Content-Type": kind, where: right if signature is None else signature}
    provider = providers.find(headers)
    assert provider is not None
    if not provider.signed(headers, body, [KEY, "the-old-key"]):
        raise UserError("webhook_signature", REFUSED, status=401)
    provider.read(headers, body)


@pytest.mark.parametrize("event", EVENTS)
def test_what_the_cases_are_made_of_is_taken(event: str) -> None:
    deliver(event, json.dumps(payload_of(event)).encode())


@pytest.mark.parametrize("group", groups("webhooks"), ids=str)
def test_refused(group: Group) -> None:
    event = group.more["event"]
    good = payload_of(event)
    whole = json.dumps(good).encode()

    def attempt(value: Any) -> None:
        match group.entry:
            case "payload":
                deliver(event, json.dumps(placed(good, group.at, value)).encode())
            case "body":
                deliver(event, value.encode())
            case "type":
                deliver(event, whole, kind=value)
            case "signature":
                deliver(event, whole, signature=value)

    hold(dataclasses.replace(group, field=None), attempt)  # a host is told in words; there is no field beside a form
