"""Every process of the platform killed at every point of a deployment, twice: nothing lost, nothing left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.conftest import CROSSED, POINTS, ROUNDS
from tests.faults.rig import Rig, load

pytestmark = pytest.mark.platform
ALL = list(POINTS)
HALVES = {"even": ALL[::2], "odd": ALL[1::2]}
SOME = [name for name, point in POINTS.items() if point in CROSSED]
SERVICES = ["worker", "pages", "engine", "valkey", "supervisor"]
Rows = list[tuple[str, float, str]]


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


def finish(rig: Rig, names: list[str], version: str, table: Rows) -> None:
    """Let everything go; every deployment has to come to its end by itself, and nothing may be left over."""
    for name in names:
        rig.let_go(POINTS[name], name)
    seconds = rig.until_ended(names)
    last = rig.do("last", names=names)
    table += [(POINTS[name], seconds[name], last[name]["state"]) for name in names]
    assert {name: one for name, one in last.items() if one["state"] != "ready"} == {}
    rig.check_live(names, version)


@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("half", HALVES)
def test_the_process_that_deploys(matrix: Rig, table: Rows, half: str, round_: int) -> None:
    """The worker's children, each while it is held at its point; and those that took over, at the same point."""
    rig, names = matrix, HALVES[half]
    points = {name: POINTS[name] for name in names}
    with load(rig, names) as failures:
        version = begin(rig, names)
        rig.kill_held(points, again=True)
        rig.hold_all(points, but=ended(rig, names))
        rig.kill_held(points)
        finish(rig, names, version, table)
    assert failures == []


@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("service", SERVICES)
def test_a_service(matrix: Rig, table: Rows, service: str, round_: int) -> None:
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
        table.append((f"{service} is back", rig.kill(service), "first"))
        rig.forget(points, held)
        rig.hold_all(points, but=ended(rig, SOME))
        table.append((f"{service} is back", rig.kill(service), "second"))
        if service == "supervisor":
            failures.clear()  # the edge is a child of the supervisor's: it went and came with it
        finish(rig, SOME, version, table)
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
