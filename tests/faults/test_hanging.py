"""What hangs, and what hangs up, while deployments are under way: the engine, and the broker with its connections."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.faults.rig import Rig, load
from tests.faults.test_mishaps import frozen, pods, states

pytestmark = pytest.mark.platform
UNKNOWN = "The engine does not answer: its state is unknown."
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
