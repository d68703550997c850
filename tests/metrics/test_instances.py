"""What instances use, from two looks at the engine: real processes, and the moments that mislead."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from apps.core.errors import PlatformError, Unavailable
from apps.engines.base import Engine, Handle, State, Status, Usage
from apps.engines.process.client import ProcessEngine
from apps.metrics.instances import Instance, Watch
from apps.metrics.steps import Batch
from apps.metrics.sums import Sums
from tests.engines.workloads import running, until, worker

T = 1_700_000_000.0
SPIN = "python3 -c 'import time\nwhile True: pass'"
CHILDREN = "while :; do python3 -c 'for _ in range(3_000_000): pass'; done"


class Script:
    """An engine that says what a test tells it to."""

    def __init__(self) -> None:
        self.usages: dict[str, Usage | Exception | None] = {}
        self.restarts: dict[str, int] = {}
        self.gone = False

    def workloads(self) -> dict[str, Status]:
        if self.gone:
            raise Unavailable("engine_unavailable", "It does not answer.")
        return {name: Status(State.RUNNING, self.restarts.get(name, 0)) for name in self.usages}

    def stats(self, handle: Handle) -> Usage | None:
        found = self.usages[handle["id"]]
        if isinstance(found, Exception):
            raise found
        return found


class Looks:
    """A watch on a script, every 15 seconds unless told otherwise."""

    def __init__(self) -> None:
        self.engine = Script()
        self.instances = {"w1": Instance("p", "web", {"id": "w1"}), "w2": Instance("p", "web", {"id": "w2"})}
        self.watch = Watch(self.engine, lambda: self.instances)  # type: ignore[arg-type]
        self.clock = 100.0
        self.restarts: dict[str, int] = {}

    def look(self, *, after: float = 15.0, **usages: Any) -> Sums:
        """The app's sums of one look; a usage is (CPU seconds, MB), None, or what is raised."""
        self.clock += after
        self.engine.usages = {
            name: Usage(*said, processes=1) if isinstance(said, tuple) else said for name, said in usages.items()
        }
        batch = Batch()
        self.restarts = self.watch.look(batch, wall=T, clock=self.clock, restarts=self.restarts)
        return batch.at("p", "web", T)


@pytest.fixture
def looks() -> Looks:
    return Looks()


def test_cpu_is_the_difference_and_memory_the_sum(looks: Looks) -> None:
    assert looks.look(w1=(100.0, 50), w2=(7.0, 30)) == Sums(looks=1, memory_mb=80, memory_most=80)
    second = looks.look(w1=(103.0, 60), w2=(7.5, 30))
    assert second == Sums(cpu_ms=3500, watched_ms=15_000, looks=1, memory_mb=90, memory_most=90)


def test_one_started_since_has_spent_all_it_has(looks: Looks) -> None:
    looks.look(w1=(100.0, 50))
    assert looks.look(w1=(101.0, 50), w2=(2.0, 10)).cpu_ms == 3000


def test_one_started_again_begins_anew_and_is_counted(looks: Looks) -> None:
    looks.look(w1=(100.0, 50))
    looks.engine.restarts = {"w1": 2}
    found = looks.look(w1=(0.5, 20))
    assert (found.cpu_ms, found.restarts) == (500, 2)
    assert looks.look(w1=(0.6, 20)).restarts == 0


def test_less_than_before_is_nothing(looks: Looks) -> None:
    looks.look(w1=(100.0, 50))
    assert looks.look(w1=(60.0, 50)).cpu_ms == 0
    assert looks.look(w1=(61.0, 50)).cpu_ms == 1000


def test_one_that_could_not_be_asked_is_not_taken_for_new(looks: Looks) -> None:
    looks.look(w1=(100.0, 50))
    assert looks.look(w1=PlatformError("engine_failed", "Not now.")) == Sums()
    assert looks.look(w1=(101.0, 50)).cpu_ms == 1000


def test_after_a_long_pause_nothing_is_said_of_it(looks: Looks) -> None:
    looks.look(w1=(100.0, 50))
    assert looks.look(after=600, w1=(400.0, 50)).watched_ms == 0
    assert looks.look(w1=(401.0, 50)).cpu_ms == 1000


def test_an_engine_that_goes_in_the_middle_leaves_nothing_half_counted(looks: Looks) -> None:
    looks.look(w1=(100.0, 50), w2=(100.0, 50))
    looks.engine.restarts = {"w1": 1}
    with pytest.raises(Unavailable):
        looks.look(w1=(1.0, 50), w2=Unavailable("engine_unavailable", "Gone."))
    looks.engine.gone = True
    with pytest.raises(Unavailable):
        looks.look()
    looks.engine.gone = False
    assert looks.look(w1=(2.0, 50), w2=(100.0, 50)).restarts == 1


def test_restarts_while_nobody_looked_are_counted_by_the_next_who_does(looks: Looks) -> None:
    looks.look(w1=(1.0, 50))
    looks.watch = Watch(looks.engine, lambda: looks.instances)  # type: ignore[arg-type]
    looks.engine.restarts = {"w1": 3, "w2": 9}
    assert looks.look(w1=(1.0, 50), w2=(1.0, 50)).restarts == 3, "of one never seen, nothing is known of before"


def test_without_instances_the_engine_is_left_alone(looks: Looks) -> None:
    looks.instances = {}
    looks.engine.gone = True
    assert looks.look() == Sums()


@pytest.fixture(params=["engine_agent", "plain_engine"])
def engine(request: pytest.FixtureRequest) -> ProcessEngine:
    found: ProcessEngine = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("command", [SPIN, CHILDREN], ids=["one that spins", "children that come and go"])
def test_what_real_processes_use(engine: ProcessEngine, command: str) -> None:
    handle = engine.launch(worker(command))
    try:
        running(engine, handle)
        watch = Watch(engine, lambda: {handle["id"]: Instance("p", "web", handle)})
        at = sums_of(watch)
        at(0)
        began = spent(engine, handle)
        until(lambda: spent(engine, handle) > began + 1.0, "CPU time")
        found = at(10)
        assert found.cpu_ms >= 1000
        assert found.watched_ms == 10_000
        assert found.memory_mb > 0
    finally:
        engine.stop(handle, 0.5)


def sums_of(watch: Watch) -> Callable[[float], Sums]:
    def look(clock: float) -> Sums:
        batch = Batch()
        watch.look(batch, wall=T, clock=clock, restarts={})
        return batch.at("p", "web", T)

    return look


def spent(engine: Engine, handle: Handle) -> float:
    usage = engine.stats(handle)
    return usage.cpu_seconds if usage else 0.0


def test_a_real_engine_that_is_not_there(tmp_path: Any) -> None:
    watch = Watch(ProcessEngine(tmp_path / "no.sock"), lambda: {"w": Instance("p", "web", {"id": "w"})})
    with pytest.raises(Unavailable):
        watch.look(Batch(), wall=time.time(), clock=time.monotonic(), restarts={})
