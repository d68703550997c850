"""Signatures, checked by the library of the specification; keys that are replaced."""

from __future__ import annotations

import json
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from apps.accounts.models import User
from apps.core.errors import Conflict
from apps.notify import actions, keys
from apps.notify.models import Endpoint
from tests.notify.conftest import Add, Clock, Receiver, send, tell


def verified(got: Any, key: str) -> Any:
    return Webhook(key).verify(got.body, got.headers)


def test_the_specifications_library_takes_what_is_sent(add: Add, receiver: Receiver) -> None:
    endpoint = add()
    [delivery] = tell(endpoint, words="Ümläut & <b> \N{ROCKET}")
    send()
    [got] = receiver.at("/hook")
    said = verified(got, endpoint.key)  # type: ignore[attr-defined]
    assert said["event"] == "backup.failed"
    assert said["id"] == got.headers["webhook-id"] == delivery.message_id
    assert said["data"]["words"] == "Ümläut & <b> \N{ROCKET}"
    assert got.headers["content-type"] == "application/json"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts[0]["status"], delivery.attempts[0]["answer"]) == (
        "delivered", 200, "thanks",
    )  # fmt: skip


def test_another_key_or_a_changed_body_does_not_pass(add: Add, receiver: Receiver) -> None:
    endpoint = add()
    tell(endpoint)
    send()
    [got] = receiver.at("/hook")
    with pytest.raises(WebhookVerificationError):
        verified(got, keys.make())
    got.body = json.dumps(json.loads(got.body) | {"event": "backup.success"}).encode()
    with pytest.raises(WebhookVerificationError):
        verified(got, endpoint.key)  # type: ignore[attr-defined]


def test_a_replaced_key_signs_for_a_day_more(add: Add, receiver: Receiver, alice: User, clock: Clock) -> None:
    endpoint = add()
    old: str = endpoint.key  # type: ignore[attr-defined]
    new = actions.rotate_key(endpoint=endpoint, by=alice)
    assert new != old
    tell(endpoint)
    send()
    for key in (old, new):
        verified(receiver.at("/hook")[-1], key)
    clock.pass_by(hours=25)
    tell(endpoint)
    send()
    verified(receiver.at("/hook")[-1], new)
    with pytest.raises(WebhookVerificationError):
        verified(receiver.at("/hook")[-1], old)


def test_a_replaced_key_can_be_ended_at_once(add: Add, receiver: Receiver, alice: User) -> None:
    endpoint = add()
    old: str = endpoint.key  # type: ignore[attr-defined]
    actions.rotate_key(endpoint=endpoint, by=alice)
    actions.end_old_key(endpoint=endpoint, by=alice)
    tell(endpoint)
    send()
    with pytest.raises(WebhookVerificationError):
        verified(receiver.at("/hook")[-1], old)


def test_two_who_replace_a_key_at_once(add: Add, alice: User) -> None:
    endpoint = add()
    stale = Endpoint.objects.get(pk=endpoint.pk)
    key = actions.rotate_key(endpoint=endpoint, by=alice)
    kept = keys.read(stale)  # as of the version that was replaced: the new one is found
    assert kept.key == key
    stale.version = 1
    with pytest.raises(Conflict):
        actions._replace(stale, kept)
    assert keys.read(Endpoint.objects.get(pk=endpoint.pk)).key == key


def test_chats_are_not_signed(add: Add, receiver: Receiver, alice: User) -> None:
    endpoint = add(kind="slack")
    with pytest.raises(Conflict):
        actions.rotate_key(endpoint=endpoint, by=alice)
    tell(endpoint)
    send()
    assert not [name for name in receiver.at("/hook")[0].headers if name.startswith("webhook-")]
