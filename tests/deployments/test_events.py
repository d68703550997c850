"""Hints for open pages: after the commit, through the real broker, without the writer waiting for it."""

from __future__ import annotations

import asyncio

import pytest
import redis
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import transaction

from apps.core.ids import new_id
from apps.deployments.events import Teller, changed, pod_group

SECONDS = 40


class Refused(Exception):
    pass


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
@pytest.mark.asyncio
async def test_pages_hear_of_what_was_committed_and_of_nothing_else() -> None:
    pod, layer = new_id(), get_channel_layer()
    assert layer is not None
    channel = await layer.new_channel()
    await layer.group_add(pod_group(pod), channel)

    def write() -> None:
        try:
            with transaction.atomic():
                changed(pod, "never")
                raise Refused
        except Refused:
            pass
        with transaction.atomic():
            changed(pod, "committed")

    await sync_to_async(write)()
    heard = await asyncio.wait_for(layer.receive(channel), SECONDS)
    assert heard == {"type": "pod.changed", "deployment": "committed"}
    await layer.group_discard(pod_group(pod), channel)


@pytest.mark.usefixtures("valkey")
def test_what_is_waiting_is_told_before_the_process_ends() -> None:
    teller = Teller()
    for _ in range(100):
        teller.tell(new_id(), None)
    assert teller.flush(SECONDS)
    assert teller.flush(0)


def test_hints_of_one_burst_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str | None]] = []

    async def send(*hint: str | None) -> None:
        told.append(hint)  # type: ignore[arg-type]

    monkeypatch.setattr("apps.deployments.events._send", send)
    monkeypatch.setattr("apps.deployments.events.EVERY", 1.0)
    teller = Teller()
    teller.tell("pod", "first")
    assert teller.flush(SECONDS)
    for _ in range(20):
        teller.tell("pod", "again")
    assert teller.flush(SECONDS)
    assert told == [("pod", "first"), ("pod", "again")]


@pytest.mark.asyncio
async def test_a_hint_after_the_broker_has_cut_all_connections_is_told(valkey: str) -> None:
    pod, layer, teller = new_id(), get_channel_layer(), Teller()
    assert layer is not None
    teller.tell(pod, "before")
    assert await sync_to_async(teller.flush)(SECONDS)
    with redis.Redis.from_url(valkey) as admin:
        admin.client_kill_filter(_type="normal", skipme=True)
    channel = await layer.new_channel()
    await layer.group_add(pod_group(pod), channel)
    teller.tell(pod, "after")
    assert (await asyncio.wait_for(layer.receive(channel), SECONDS))["deployment"] == "after"
    await layer.group_discard(pod_group(pod), channel)
