"""What else goes wrong: lost messages, a store that is away, races, deletions, a database that is locked."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from apps.core.ids import new_id
from tests.faults.rig import Inside, Rig, load

pytestmark = pytest.mark.platform


def pods(rig: Rig, count: int, **how: object) -> list[str]:
    """New pods with names of their own, live."""
    names = [f"p{number}-{new_id()[-8:]}" for number in range(count)]
    rig.make(names, **how)
    return names


@contextmanager
def frozen(rig: Rig, service: str) -> Iterator[None]:
    """The service does not answer while this lasts."""
    pid = rig.platform.kill(service, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def states(rig: Rig, names: list[str]) -> list[str]:
    last = rig.do("last", names=names)
    return [last[name]["state"] for name in names]


def test_the_broker_forgets_everything(rig: Rig) -> None:
    """Deployments wait, the broker is flushed: the reconciler wakes the worker again."""
    names = pods(rig, 3)
    with frozen(rig, "worker"):
        version = rig.deploy(names)
        assert states(rig, names) == ["waiting"] * 3
        rig.do("flush")
    rig.until_ended(names)
    assert states(rig, names) == ["ready"] * 3
    rig.check_live(names, version)


def test_nobody_is_woken(rig: Rig) -> None:
    """Whoever starts a deployment is killed after its commit and before the message: the deployment is not lost."""
    [name] = pods(rig, 1)
    page = Inside(rig.platform)
    try:
        let_go = rig.arm_any("wake")
        page.ask("deploy", names=[name], sha=rig.do("commit", version=(version := rig.next_version())))
        rig.until(lambda: page.process.pid in rig.held_any("wake"), "held before the message")
        page.process.kill()
        let_go()
    finally:
        page.close()
    rig.until_ended([name])
    rig.check_live([name], version)


def test_whoever_asks_for_the_newest_commit_is_killed(rig: Rig) -> None:
    """With the host's answer, and in the middle of writing down what comes of it: it is deployed, and once."""
    [name] = pods(rig, 1)
    for count, point in enumerate(("lookup.answered", "lookup.ending"), start=1):
        version = rig.next_version()
        rig.do("commit", version=version)
        rig.arm(point, name)
        asked = rig.do("latest", name=name)
        rig.hold_all({name: point})
        rig.kill_held({name: point})
        rig.until(lambda asked=asked: rig.do("looked_up", pk=asked)["state"] != "asking", "asked again")  # type: ignore[misc]
        told = rig.do("looked_up", pk=asked)
        assert (told["state"], told["all"]) == ("deployed", 1 + count)
        rig.until_ended([name])
        assert rig.do("states", pks=[told["deployment"]]) == {told["deployment"]: "ready"}
        rig.check_live([name], version)


def test_the_secret_store_is_away(rig: Rig) -> None:
    """Deployments wait for it at whatever stage and can be cancelled meanwhile; nothing starts without its secrets."""
    stages = ("before-secrets", "before-launch", "before-secrets", "deployment.begun")
    held = dict(zip(pods(rig, len(stages)), stages, strict=True))
    names = list(held)
    with load(rig, names) as failures:
        for name, point in held.items():
            rig.arm(point, name)
        version = rig.deploy(names)
        rig.hold_all(held)
        with frozen(rig, "openbao"):
            for name, point in held.items():
                rig.let_go(point, name)
            time.sleep(2)
            assert states(rig, names) == ["pending"] * 4
            assert len(set(rig.do("workloads").values()) & set(names)) == 4
            assert rig.do("cancel", names=names[2:]) == {}
            rig.until_ended(names[2:])
            assert states(rig, names) == ["pending", "pending", "cancelled", "cancelled"]
        rig.until_ended(names)
        rig.check_live(names[:2], version)
    assert states(rig, names) == ["ready", "ready", "cancelled", "cancelled"]
    assert failures == []


def test_a_secret_is_lost(rig: Rig) -> None:
    """A value that the store does not have: the deployment fails and says so; what runs goes on."""
    [name] = pods(rig, 1)
    before = rig.answer(name).text
    rig.do("forget_secret", name=name)
    rig.deploy([name])
    rig.until_ended([name])
    last = rig.do("last", names=[name])[name]
    assert (last["state"], last["code"]) == ("failed", "secret_missing")
    rig.check_tidy()
    assert rig.answer(name).text == before


def test_a_deploy_during_a_rollback(rig: Rig) -> None:
    [name] = pods(rig, 1)
    rig.deploy([name])
    rig.until_ended([name])
    rig.check_tidy()
    rig.arm("before-health", name)
    first = rig.do("back", name=name)
    rig.hold_all({name: "before-health"})
    version = rig.deploy([name])
    assert states(rig, [name]) == ["waiting"]
    rig.let_go("before-health", name)
    rig.until_ended([name])
    assert rig.do("states", pks=[first]) == {first: "ready"}
    rig.check_live([name], version)


def test_deploys_that_race(rig: Rig) -> None:
    """Several people deploy the same pod at once: every deployment ends, and the newest is what is live."""
    [name] = pods(rig, 1)
    shas = [rig.do("commit", version=rig.next_version()) for _ in range(6)]
    others = [Inside(rig.platform) for _ in range(3)]
    try:
        for _ in range(2):
            for other in others:
                other.ask("deploy", names=[name], sha=shas.pop())
        pks = [pk for _ in range(2) for other in others for pk in other.answer()]
    finally:
        for other in others:
            other.close()
    rig.until(lambda: set(rig.do("states", pks=pks).values()) <= {"ready", "cancelled"}, "all of them ended")
    assert rig.do("states", pks=pks)[max(pks)] == "ready"
    rig.check_tidy()


def test_deleting(rig: Rig) -> None:
    """Pods are deleted while they are deployed; the worker is killed there, and twice at each step of the deletion."""
    steps = ("teardown.edge", "teardown.stopped", "teardown.secrets", "teardown.files")
    names = pods(rig, 4)
    points = dict(zip(names, steps, strict=True))
    deploying = dict(zip(names, ("before-build", "between-switch-and-edge"), strict=False))
    ids = rig.do("ids", names=names)
    for name, point in (*points.items(), *deploying.items()):
        rig.arm(point, name)
    rig.deploy(list(deploying))
    rig.hold_all(deploying)
    rig.do("delete", names=names)
    rig.kill_held(deploying)
    for _ in range(2):
        rig.hold_all(points)
        rig.kill_held(points, again=True)
    rig.hold_all(points)
    for name, point in (*points.items(), *deploying.items()):
        rig.let_go(point, name)
    rig.until(lambda: not any(rig.do("left_of", pod_id=ids[name], name=name) for name in names), "all is gone")
    rig.check_tidy()
    assert {rig.answer(name).status_code for name in names} == {404}


def test_the_database_is_locked(rig: Rig) -> None:
    """Somebody holds a write transaction for 5 s while deployments are under way."""
    held = dict(zip(pods(rig, 2), ("after-push", "after-health"), strict=True))
    with load(rig, list(held)) as failures:
        for name, point in held.items():
            rig.arm(point, name)
        version = rig.deploy(list(held))
        rig.hold_all(held)
        rig.do("lock", seconds=5)
        for name, point in held.items():
            rig.let_go(point, name)
        rig.until_ended(list(held))
        rig.check_live(held, version)
    assert failures == []


def test_a_failing_deployment_is_undone(rig: Rig) -> None:
    """Killed while what it started is stopped, twice: it fails with its code, and the old version serves."""
    [name] = pods(rig, 1, window=1)
    before = rig.answer(name).text
    with load(rig, [name]) as failures:
        rig.arm("undo.stopped", name)
        rig.deploy([name], "broken")
        for _ in range(2):
            rig.hold_all({name: "undo.stopped"})
            rig.kill_held({name: "undo.stopped"}, again=True)
        rig.hold_all({name: "undo.stopped"})
        rig.let_go("undo.stopped", name)
        rig.until_ended([name])
        rig.check_tidy()
    last = rig.do("last", names=[name])[name]
    assert (last["state"], last["code"]) == ("failed", "health_check_status")
    assert rig.answer(name).text == before
    assert failures == []


@pytest.mark.parametrize("version", ["", "broken"])
def test_a_disk_changes_hands(rig: Rig, version: str) -> None:
    """Killed while the old instance makes room: never two writers; the old one comes back if the new one fails."""
    [name] = pods(rig, 1, disk=True, window=1)
    before = rig.answer(name).text
    for point in ("room.asked", "room.made"):
        rig.arm(point, name)
    version = rig.deploy([name], version)
    for point in ("room.asked", "room.made"):
        rig.hold_all({name: point})
        rig.kill_held({name: point})
    rig.until_ended([name])
    if version == "broken":
        rig.check_tidy()
        rig.until(lambda: rig.answer(name).text == before, "the old version is back")
    else:
        rig.check_live([name], version)


def test_the_engine_dies_at_its_own_steps(rig: Rig) -> None:
    """At each step of a start and an end, and in the middle of a build: the deployment goes on with the next agent."""
    [name] = pods(rig, 1, build="if grep -q slow version; then sleep 10; fi; cp version built")
    with load(rig, [name]) as failures:
        for point in ("engine.created", "engine.started", "engine.connected", "engine.ended", "build"):
            version = f"{'slow-' if point == 'build' else ''}{rig.next_version()}"
            if point != "build":
                rig.arm(point, name)
            rig.deploy([name], version)
            if point == "build":
                rig.until(lambda: rig.do("last", names=[name])[name]["stage"] == "build", "a build", pause=0.05)
                time.sleep(0.3)
            else:
                rig.hold_all({name: point})
            rig.kill("engine")
            if point != "build":
                rig.let_go(point, name)
            rig.until_ended([name])
            assert states(rig, [name]) == ["ready"], (point, rig.do("last", names=[name]))
        rig.check_live([name], version)
    assert failures == []


def test_a_worker_that_sleeps_through_its_lease(rig: Rig) -> None:
    """It is stopped, not dead: another takes over after the lease, and the sleeper can change nothing when it wakes."""
    [name] = pods(rig, 1)
    with load(rig, [name]) as failures:
        rig.arm("before-push", name)
        version = rig.deploy([name])
        [pid] = rig.hold_all({name: "before-push"})
        os.kill(pid, signal.SIGSTOP)
        try:
            rig.until_ended([name])
        finally:
            rig.let_go("before-push", name)
            os.kill(pid, signal.SIGCONT)
        rig.check_live([name], version)
    assert states(rig, [name]) == ["ready"]
    assert failures == []
