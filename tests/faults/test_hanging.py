"""What hangs, and what hangs up, while deployments are under way: the engine, and the broker with its connections."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.faults.rig import Rig, load
from tests.faults.test_mishaps import frozen, pods, states

pytestmark = pytest.mark.platform
UNKNOWN = "The engine does not answer: its state is unknown."
LINES = 50
TALKING = (
    f"if grep -q slow version; then for n in $(seq {LINES}); do echo line $n.; sleep 0.1; done; fi; cp version built"
)
PAUSED = ("before-install", "before-launch", "before-launch", "before-launch", "workload.launched", "retire.drained")


def test_the_engine_is_paused(rig: Rig) -> None:
    """For longer than leases last. What asked it waits, one that is killed there is not started twice, one may be
    cancelled; what runs serves on and is called unknown, never stopped.
    """
    held = dict(zip(pods(rig, len(PAUSED)), PAUSED, strict=True))
    names = list(held)
    _, killed, cancelled, *_ = names
    with load(rig, names) as failures:
        for name, point in held.items():
            rig.arm(point, name)
        version = rig.deploy(names)
        rig.hold_all(held)
        before = rig.do("workloads")
        with frozen(rig, "engine"):
            for name, point in held.items():
                rig.let_go(point, name)
            time.sleep(2)  # they ask it by now
            assert rig.do("cancel", names=[cancelled]) == {}
            os.kill(rig.do("workers", names=[killed])[killed], signal.SIGKILL)

            def told() -> bool:
                rig.do("unseen", names=names)
                return set(names) == set(rig.do("told", names=names, words=UNKNOWN))

            rig.until(told, "the feed says that nothing is known")
            assert rig.do("shown", names=names) == dict.fromkeys(names, "unknown")
            assert before.items() <= rig.do("workloads").items()
            assert set(states(rig, names[:-1])) == {"pending"}
        rig.until_ended(names)
        last = rig.do("last", names=names)
        assert {name: one["state"] for name, one in last.items()} == dict.fromkeys(names, "ready") | {
            cancelled: "cancelled"
        }
        rig.check_live([name for name in names if name != cancelled], version)
        rig.until(lambda: set(rig.do("shown", names=names).values()) == {"live"}, "the engine's word is heard again")
    assert failures == []


class Listener:
    """What the platform's socket at `path` says to somebody of the team, on one connection."""

    def __init__(self, rig: Rig, path: str) -> None:
        at = f"localhost:{rig.platform.port}"
        headers = {"Cookie": rig.do("sign_in")}
        self._way = connect(f"ws://{at}{path}", origin=Origin(f"http://{at}"), additional_headers=headers, proxy=None)
        self.heard: list[dict[str, Any]] = []
        self.closed = False
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._way.close()
        self._thread.join(30)

    def _listen(self) -> None:
        with suppress(ConnectionClosed):
            for text in self._way:
                self.heard.append(json.loads(text))
        self.closed = True

    def lines(self) -> list[list[Any]]:
        return [line for message in list(self.heard) for line in message.get("lines", ())]


def test_the_broker_hangs_up(rig: Rig) -> None:
    """Its connections are cut again and again, and it hangs for 4 s: deployments end, who listens hears everything."""
    names = pods(rig, 4, build=TALKING)
    with load(rig, names) as failures, Listener(rig, f"/ws/pods/{names[0]}/") as page:
        version = rig.deploy(names, f"slow-{rig.next_version()}")
        rig.until(lambda: rig.do("last", names=names)[names[0]]["stage"] == "build", "a build", pause=0.05)
        with Listener(rig, f"/ws/logs/deployment:{rig.do('last', names=names)[names[0]]['id']}/?after=0") as log:
            for _ in range(4):
                assert rig.do("hang_up") > 1
                time.sleep(0.7)
            with frozen(rig, "valkey"):
                time.sleep(4)
            rig.do("hang_up")
            rig.until_ended(names)
            assert states(rig, names) == ["ready"] * 4
            rig.until(lambda: f"line {LINES}." in (line[4] for line in log.lines()), "the last line")
            assert [line[0] for line in log.lines()] == list(range(1, len(log.lines()) + 1))
            assert [line[4] for line in log.lines() if line[4].startswith("line ")] == [
                f"line {number}." for number in range(1, LINES + 1)
            ]
            assert not log.closed
        rig.check_live(names, version)
        before = len(page.heard)
        rig.deploy(names[:1])
        rig.until(lambda: len(page.heard) > before, "the page hears of it")
        rig.until_ended(names)
        rig.check_tidy()
        assert not page.closed
    assert failures == []
