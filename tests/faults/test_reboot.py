"""The machine goes down with everything on it, then only `make up`: what was live serves, what was begun ends."""

from __future__ import annotations

import time

import httpx
import pytest

from apps.core.ids import new_id
from tests.faults.rig import Rig

pytestmark = pytest.mark.platform
CANCELLED = "before-build"  # somebody had asked for the end of the one that is held there
POINTS = (
    "before-clone",
    CANCELLED,
    "artifact.stored",
    "workload.launched",
    "before-health",
    "between-switch-and-edge",
    "edge.answers",
    "retire.drained",
)
SECONDS = 120  # from the start until everything serves


def test_a_reboot(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """Of ten live pods, eight are being deployed and held at as many points; two, with disks, are left alone."""
    names = {point: f"b{number}-{new_id()[-8:]}" for number, point in enumerate(POINTS)}
    resting = [f"d{number}-{new_id()[-8:]}" for number in range(2)]
    rig.make(resting, disk=True)
    rig.make(list(names.values()))
    everybody = [*names.values(), *resting]
    before = {name: rig.answer(name).text for name in everybody}
    held = {name: point for point, name in names.items()}
    for name, point in held.items():
        rig.arm(point, name)
    version = rig.deploy(list(held))
    rig.hold_all(held)
    assert rig.do("cancel", names=[names[CANCELLED]]) == {}

    killed = rig.kill_everything()
    for name, point in held.items():
        rig.let_go(point, name)
    began = time.monotonic()
    rig.platform.start()
    up = time.monotonic() - began
    rig.until(lambda: all(serves(rig, name) for name in everybody), "every app serves", SECONDS - up)
    serving = time.monotonic() - began
    rig.until_ended(held)
    ended = time.monotonic() - began

    last = rig.do("last", names=list(held))
    cancelled = {name for name, one in last.items() if one["state"] == "cancelled"}
    assert cancelled == {names[CANCELLED]}
    assert {one["state"] for name, one in last.items() if name not in cancelled} == {"ready"}, last
    rig.check_live(held.keys() - cancelled, version)
    as_before = cancelled | set(resting)
    assert {name: rig.answer(name).text for name in as_before} == {name: before[name] for name in as_before}
    with capsys.disabled():
        print(f"\n{killed} killed; up {up:.1f} s, all serve {serving:.1f} s, all ended {ended:.1f} s", end="")


def serves(rig: Rig, name: str) -> bool:
    try:
        return rig.answer(name).status_code == 200
    except httpx.HTTPError:
        return False
