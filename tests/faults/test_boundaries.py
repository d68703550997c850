"""Every process of the platform killed at every point of a deployment, twice: nothing lost, nothing left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.faults.conftest import CROSSED, LEASE, POINTS, ROUNDS
from tests.faults.rig import Rig, load

pytestmark = pytest.mark.platform
ALL = list(POINTS)
HALVES = {"even": ALL[::2], "odd": ALL[1::2]}
SOME = [name for name, point in POINTS.items() if point in CROSSED]
OTHER = next(name for name in ALL if name not in SOME)
BACK = {"worker": 60.0, "valkey": 30.0}  # seconds from the kill until the next deployment is under way
SERVICES = ["worker", "pages", "engine", "valkey", "supervisor"]
Rows = list[tuple[str, float, str]]
LATEST = LEASE + 60  # seconds after which no deployment may be under way any more


@dataclass
class Tally:
    """Of everything that was killed here: docs/reliability.md names these figures."""

    steps: int = 0  # of a deployment, at which the process that was held there was killed
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)  # seconds after the last kill, one for each deployment
    back: dict[str, list[float]] = field(default_factory=dict)  # seconds from the kill to the next step, by service
    cases: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """What all tests here add up to: together they kill at 60 steps and more."""
    made = Tally()
    yield made
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\nkilled at {made.steps} steps of {len(made.ended)} deployments: {len(made.lost)} lost, ", end="")
        print(f"{len(made.doubled)} doubled, the last ended after {max(made.ended, default=0):.1f} s", end="")
        print("".join(f"; {service} back after {seconds} s" for service, seconds in made.back.items()))
    assert made.steps >= 60 or not made.cases >= {*HALVES, *SERVICES}


@pytest.fixture(autouse=True)
def table(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[Rows]:
    """What each case took, printed at its end."""
    rows: Rows = []
    yield rows
    with capsys.disabled():
        for case, seconds, state in rows:
            print(f"\n{request.node.name:<32} {case:<26} {seconds:6.1f} s  {state}", end="")


def begin(rig: Rig, names: list[str]) -> str:
    """Deploy a new version of every pod and wait until each is held at its point."""
    for name in names:
        rig.arm(POINTS[name], name)
    version = rig.deploy(names)
    rig.hold_all({name: POINTS[name] for name in names})
    return version


def ended(rig: Rig, names: list[str]) -> Callable[[str], bool]:
    """A question: has the newest deployment of a pod ended (without being held again)?"""
    at, last = 0.0, {}

    def ask(name: str) -> bool:
        nonlocal at, last
        if time.monotonic() - at > 0.5:
            last, at = rig.do("last", names=names), time.monotonic()
        return last[name]["state"] in ("ready", "failed", "cancelled")

    return ask


def finish(rig: Rig, names: list[str], version: str, table: Rows, tally: Tally) -> None:
    """Let everything go; every deployment has to come to its end by itself, and nothing may be left over."""
    for name in names:
        rig.let_go(POINTS[name], name)
    seconds = rig.until_ended(names)
    last = rig.do("last", names=names)
    table += [(POINTS[name], seconds[name], last[name]["state"]) for name in names]
    tally.ended += seconds.values()
    tally.lost += [f"{name}: {one}" for name, one in last.items() if one["state"] != "ready"]
    tally.doubled += rig.do("doubled", names=names)
    assert (tally.lost, tally.doubled) == ([], [])
    assert max(seconds.values()) < LATEST
    rig.check_live(names, version)


def goes_on(rig: Rig, service: str, killed: float, tally: Tally) -> None:
    """A deployment made after the kill is begun, and ends while the others are held."""
    version = rig.deploy([OTHER])
    rig.until(lambda: rig.do("last", names=[OTHER])[OTHER]["state"] != "waiting", "the next deployment begins")
    seconds = time.monotonic() - killed
    tally.back.setdefault(service, []).append(round(seconds, 1))
    assert seconds < BACK.get(service, LATEST)
    rig.until_ended([OTHER])
    rig.until(lambda: rig.answer(OTHER).text == f"{version} {rig.secret}", "the next deployment is live")


@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("half", HALVES)
def test_the_process_that_deploys(matrix: Rig, table: Rows, tally: Tally, half: str, round_: int) -> None:
    """The worker's children, each while it is held at its point; and those that took over, at the same point."""
    rig, names = matrix, HALVES[half]
    points = {name: POINTS[name] for name in names}
    with load(rig, names) as failures:
        version = begin(rig, names)
        tally.steps += rig.kill_held(points, again=True)
        rig.hold_all(points, but=ended(rig, names))
        tally.steps += rig.kill_held(points)
        finish(rig, names, version, table, tally)
    tally.cases.add(half)
    assert failures == []


@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("service", SERVICES)
def test_a_service(matrix: Rig, table: Rows, tally: Tally, service: str, round_: int) -> None:
    """The service is killed while deployments are held at every boundary, and once more when it has come back."""
    rig = matrix
    points = {name: POINTS[name] for name in SOME}
    with load(rig, SOME) as failures:
        version = begin(rig, SOME)
        held = {}
        if service in ("worker", "supervisor"):  # what is held dies with it: have those held that take over
            held = {name: rig.held(point, name) for name, point in points.items()}
            for name, point in points.items():
                rig.arm(point, name)
            tally.steps += len(held)
        killed = time.monotonic()
        table.append((f"{service} is back", rig.kill(service), "first"))
        rig.forget(points, held)
        goes_on(rig, service, killed, tally)
        again = rig.hold_all(points, but=ended(rig, SOME))
        if held:
            tally.steps += len(again)
        table.append((f"{service} is back", rig.kill(service), "second"))
        if service == "supervisor":
            failures.clear()  # the edge is a child of the supervisor's: it went and came with it
        finish(rig, SOME, version, table, tally)
    tally.cases.add(service)
    assert failures == []


@pytest.mark.parametrize("half", HALVES)
def test_cancelling(matrix: Rig, table: Rows, half: str) -> None:
    """A cancellation at every point: the old version stays, or the answer is that it is too late."""
    rig, names = matrix, HALVES[half]
    old = {name: rig.answer(name).text for name in names}
    with load(rig, names) as failures:
        version = begin(rig, names)
        switched = {name for name, one in rig.do("last", names=names).items() if one["switched"]}
        refused = rig.do("cancel", names=names)
        for name in names:
            rig.let_go(POINTS[name], name)
        seconds = rig.until_ended(names)
        last = rig.do("last", names=names)
        table += [(POINTS[name], seconds[name], last[name]["state"]) for name in names]
        rig.check_tidy()
    assert refused == dict.fromkeys(switched, "too_late_to_cancel")
    assert {name for name, one in last.items() if one["state"] == "ready"} == switched
    assert {name for name, one in last.items() if one["state"] == "cancelled"} == set(names) - switched
    expected = {name: f"{version} {rig.secret}" if name in switched else old[name] for name in names}
    assert {name: rig.answer(name).text for name in names} == expected
    assert failures == []
