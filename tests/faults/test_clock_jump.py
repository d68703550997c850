"""The clock of the whole platform is set, a day forwards and two days back, while deployments are under way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.faults.conftest import breakable
from tests.faults.rig import Rig, load
from tests.faults.test_hanging import LINES, TALKING
from tests.faults.test_mishaps import pods
from tests.stack.clock import Clock

pytestmark = pytest.mark.platform
DAY = 86400.0
POINTS = ("before-clone", "before-build", "artifact.stored", "workload.launched", "between-switch-and-edge")
LONGEST = 60.0  # seconds that a build is counted for
SELDOM = ("maintain", "disks")  # due every hour and every five minutes: once for each time the clock is set


@pytest.fixture
def clock() -> Iterator[Clock]:
    made = Clock()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def rig(clock: Clock) -> Iterator[Rig]:
    with breakable(len(POINTS) + 1, **clock.settings) as made:
        yield made


class Pages:
    """As somebody of the team sees them, signed in since before the clock was set."""

    def __init__(self, rig: Rig, pod: str) -> None:
        self._rig = rig
        self._headers = {"Cookie": rig.do("sign_in")}
        self._paths = rig.do("pages", name=pod)

    def wrong(self) -> dict[str, int]:
        told = {}
        with httpx.Client(headers=self._headers, timeout=30, trust_env=False) as client:
            for path in self._paths:
                told[path] = client.get(self._rig.platform.url(path=path)).status_code
        return {path: status for path, status in told.items() if status != 200}


def check_log(lines: list[tuple[int, int, str]]) -> None:
    """No line is missing, none comes twice or in another order, and the deployment ends once, in the last one."""
    assert [number for number, _, _ in lines] == list(range(1, len(lines) + 1))
    texts = [text for _, _, text in lines]
    ends = [at for at, text in enumerate(texts) if text.startswith('{"kind":"deployment"')]
    assert ends == [len(texts) - 1]
    assert json.loads(texts[-1])["seconds"] >= 0
    printed = [text for text in texts if text.startswith("line ")]
    assert printed[-LINES:] == [f"line {number}." for number in range(1, LINES + 1)]


def set_it(rig: Rig, clock: Clock, by: float, held: dict[str, str], building: str) -> float:
    """Set the clock while deployments are held and one builds, let them go once a worker has seen to what is due every
    hour, and wait for their end; the seconds that took. Every pod serves its new version then.
    """
    duties = dict.fromkeys(SELDOM, 0) | rig.do("duties")
    for name, point in held.items():
        rig.arm(point, name)
    version = rig.deploy(list(held))
    rig.hold_all(held)
    slow = rig.deploy([building], f"slow-{rig.next_version()}")
    rig.until(lambda: rig.do("last", names=[building])[building]["stage"] == "build", "a build", pause=0.05)
    clock.put(by)
    began = time.monotonic()
    rig.until(lambda: all(rig.do("duties").get(name, 0) > duties[name] for name in SELDOM), "what is due every hour")
    for name, point in held.items():
        rig.let_go(point, name)
    rig.until_ended([*held, building])
    took = time.monotonic() - began
    last = rig.do("last", names=[*held, building])
    assert {name: rig.do("log_of", name=name)[-40:] for name, one in last.items() if one["state"] != "ready"} == {}
    rig.check_live(held, version)
    assert rig.answer(building).text == f"{slow} {rig.secret}"
    begun = rig.do("duties")
    assert {name: begun[name] - duties[name] for name in SELDOM} == dict.fromkeys(SELDOM, 1)
    return took


def test_it_is_set_while_deployments_are_under_way(rig: Rig, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """All end well and once, apps and pages answer on, nothing is deleted, and logs are in order."""
    [resting] = pods(rig, 1, disk=True)
    names = pods(rig, len(POINTS) + 1, build=TALKING)
    *_, building = names
    held = dict(zip(names, POINTS, strict=False))
    pages = Pages(rig, building)
    assert pages.wrong() == {}
    took = {}
    with load(rig, [resting, *names]) as failures:
        for by in (DAY, -DAY):
            written = set(rig.do("written"))
            took[by] = set_it(rig, clock, by, held, building)
            check_log(rig.do("log_of", name=building))
            assert pages.wrong() == {}
            assert written - set(rig.do("written")) == set()
    assert failures == []
    assert rig.do("all_states", names=names) == ["ready"] * 3 * len(names)
    rig.until(lambda: all(0 <= one < LONGEST for one in rig.do("build_seconds")), "builds count for what they took")
    with capsys.disabled():
        print(f"\nall ended {took[DAY]:.1f} s after it was set forwards, {took[-DAY]:.1f} s after back", end="")
