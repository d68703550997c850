"""What viewers are sent: every line once, in order, soon; also across reconnects, bursts and without Valkey."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client, override_settings

from apps.accounts.models import Team, User
from apps.core.masking import Mask
from apps.deployments.models import Deployment
from apps.logs import hub, live
from apps.logs.models import LogChunk, LogStream
from apps.logs.writer import LogWriter
from tests.logs.conftest import in_thread, write
from tests.logs.viewing import SECONDS, Socket, watching

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey"), pytest.mark.asyncio]


@pytest.fixture
def log(team: Team, deployment_in: Callable[[Team], Deployment]) -> str:
    return deployment_in(team).stream


@pytest.fixture
def client(alice: User, client_of: Callable[..., Client]) -> Client:
    return client_of(alice)


def assert_each_once(lines: list[list[Any]], last: int) -> None:
    assert [line[0] for line in lines] == list(range(1, last + 1))
    assert [line[4] for line in lines] == [str(number) for number in range(1, last + 1)]


async def test_reconnecting_after_the_last_line_leaves_no_gap_and_no_double(log: str, client: Client) -> None:
    writing = asyncio.create_task(in_thread(lambda: write(log, 1, 1500, pause=0.001)))
    seen: list[list[Any]] = []
    while not seen or seen[-1][0] < 1500:
        async with watching(log, client, seen[-1][0] if seen else 0) as socket:
            for _ in range(3):
                if seen and seen[-1][0] == 1500:
                    break
                seen += await socket.take()
            assert socket.gaps == []
    await writing
    assert_each_once(seen, 1500)


async def test_what_was_stored_and_what_is_live_join(log: str, client: Client) -> None:
    await in_thread(lambda: write(log, 1, 300))
    await in_thread(lambda: live.delete(log))
    async with watching(log, client, 100) as socket:
        await socket.until(300)
        await in_thread(lambda: write(log, 301, 400))
        await socket.until(400)
    assert [line[0] for line in socket.lines] == list(range(101, 401))
    assert socket.gaps == []


async def test_lines_arrive_soon(log: str, client: Client) -> None:
    delays: list[float] = []
    stop = threading.Event()

    def talk() -> None:
        with LogWriter.open(log, mask=Mask([])) as writer:
            for _ in range(300):
                writer.line(repr(time.time()))
                stop.wait(0.01)

    async with watching(log, client) as socket:
        talking = asyncio.create_task(in_thread(talk))
        try:
            while len(delays) < 300:
                lines = await socket.take()
                now = time.time()
                delays += [now - float(line[4]) for line in lines]
        finally:
            stop.set()
            await talking
    delays.sort()
    print(f"from write to viewer: p50 {delays[150] * 1000:.0f} ms, p99 {delays[296] * 1000:.0f} ms")
    assert delays[296] <= 2.0


async def test_five_viewers_see_every_line_of_a_burst(log: str, client: Client) -> None:
    sockets = [Socket(log, client, 0) for _ in range(5)]
    for socket in sockets:
        await socket.open()
    try:
        async with asyncio.timeout(SECONDS * 2):
            writing = asyncio.create_task(in_thread(lambda: write(log, 1, 5000)))
            await asyncio.gather(*(socket.until(5000) for socket in sockets))
            await writing
    finally:
        for socket in sockets:
            await socket.leave()
    for socket in sockets:
        assert_each_once(socket.lines, 5000)
        assert socket.gaps == []


async def test_lines_dropped_by_retention_are_a_gap(log: str, client: Client) -> None:
    def prepare() -> None:
        write(log, 1, 10)
        write(log, 11, 20)
        live.delete(log)
        LogChunk.objects.filter(stream=log, last_seq__lte=10).delete()
        LogStream.objects.filter(name=log).update(dropped=10)

    await in_thread(prepare)
    async with watching(log, client) as socket:
        await socket.until(20)
    assert socket.gaps == [[1, 10]]
    assert [line[0] for line in socket.lines] == list(range(11, 21))


async def test_without_valkey_lines_still_arrive(log: str, client: Client) -> None:
    with override_settings(VALKEY_URL="unix:///nonexistent/valkey.sock?db=0"):
        async with watching(log, client) as socket:
            await in_thread(lambda: write(log, 1, 20))
            await socket.until(20)
    assert_each_once(socket.lines, 20)


async def test_the_last_lines_arrive_though_their_writer_had_no_valkey(
    log: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection was cut and the readers' was not: nothing comes by that would tell them of the lines."""
    monkeypatch.setattr(hub, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(hub, "BLOCK_MS", 200)
    async with watching(log, client) as viewer:
        await in_thread(lambda: write(log, 1, 3))
        await viewer.until(3)

        def away(*_: object) -> bool:
            raise live.Away

        with monkeypatch.context() as cut:
            cut.setattr(live, "publish", away)
            await in_thread(lambda: write(log, 4, 6))
        await viewer.until(6)
        assert [line[0] for line in viewer.lines] == [1, 2, 3, 4, 5, 6]
        assert viewer.gaps == []
