"""Events and websockets of a sandboxed app, through nginx: at once, for long, and while other routes switch."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from apps.engines.base import Handle, LaunchSpec
from apps.engines.process.client import ProcessEngine
from tests.edge.conftest import Stand, app, wait_for
from tests.engines.workloads import name

IDLE = 20.0  # seconds without a byte
SOURCE = Path(__file__).with_name("streamer.py").read_text()


@pytest.fixture(scope="module")
def streamer(engine_agent: ProcessEngine) -> Iterator[Handle]:
    handle = engine_agent.launch(
        LaunchSpec(
            id=name("streamer"), pod="pod-a", command=("python3", "-c", SOURCE), env={}, port=8080, grace=1.0,
        )
    )  # fmt: skip
    yield handle
    engine_agent.stop(handle, 1.0)


@pytest.fixture
def stage(stand: Stand, streamer: Handle) -> Stand:
    stand.apply(app("live.test", streamer["address"], timeout=60))
    wait_for(lambda: stand.ask("live.test").status_code == 200)
    return stand


def test_the_first_event_is_there_before_the_second_is_sent(stage: Stand) -> None:
    url = f"http://127.0.0.1:{stage.port}/events"
    with httpx.stream("GET", url, headers={"Host": "live.test"}, timeout=60) as response:
        assert response.headers["content-type"] == "text/event-stream"
        events = response.iter_lines()
        assert next(events) == "data: first"  # the app does not send the second before it is asked to
        assert stage.ask("live.test", "/go").text == "ok"
        assert [line for line in events if line] == ["data: second"]


def test_a_websocket_stays_while_idle_and_while_other_routes_switch(stage: Stand, streamer: Handle) -> None:
    def apply(target: str, timeout: int) -> bool:
        live = app("live.test", streamer["address"], timeout=60)
        return stage.apply(live, app("other.test", target, timeout=timeout)).reloaded

    one, two = stage.upstream("one").address, stage.upstream("two").address
    apply(one, 60)
    stage.edge.settle(30)
    there = socket.create_connection(("127.0.0.1", stage.port), timeout=60)
    with connect(f"ws://live.test:{stage.port}/echo", sock=there, proxy=None, ping_interval=None) as channel:
        channel.send("hello")
        assert channel.recv(60) == "hello"
        assert apply(two, 60) is False  # by a renamed link
        assert stage.ask("other.test").json()["name"] == "two"
        assert apply(one, 61) is True  # by a reload: the worker that has the websocket leaves, but not before it
        assert stage.ask("other.test").json()["name"] == "one"
        time.sleep(IDLE)
        channel.send("still here")
        assert channel.recv(60) == "still here"
