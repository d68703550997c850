"""The engine dies, or the machine beneath it, and comes back: nothing twice, nothing forgotten, nothing untrue."""

from __future__ import annotations

import contextlib
import datetime
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from apps import engines
from apps.core.errors import Unavailable
from apps.dashboard.pod_states import silence
from apps.deployments import launch, reconcile
from apps.deployments.models import AppEvent, Workload
from apps.engines.base import LaunchSpec, State
from apps.pods.models import Revision
from tests.engines.workloads import processes, until
from tests.stack.engine import EngineAgent

pytestmark = pytest.mark.django_db

Make = Callable[..., Workload]


@pytest.fixture(params=["auto", "off"])
def agent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineAgent]:
    made = EngineAgent("--sandbox", request.param)
    try:
        made.start()
        monkeypatch.setattr(engines, "engine", lambda: made.engine)
        yield made
    finally:
        made.remove()


@pytest.fixture
def mark() -> str:
    """What the processes of a test sleep for, so that they can be told from all others."""
    return f"37{os.getpid()}{time.monotonic_ns() % 100000:05d}"


@pytest.fixture
def make(agent: EngineAgent, live: Revision, mark: str, monkeypatch: pytest.MonkeyPatch) -> Make:
    def spec(workload: Workload) -> LaunchSpec:
        listens = None if workload.app == "mail" else 8080
        command = ("sleep", mark)
        return LaunchSpec(id=workload.pk, pod=live.pod_id, command=command, env={}, port=listens, grace=1.0)

    def made(app: str, **fields: object) -> Workload:
        row = Workload.objects.create(
            pod=live.pod, revision=live, app=app, state="healthy", serving=True, fingerprint="f",
            observed_at=timezone.now(),
        )  # fmt: skip
        row.handle = agent.engine.launch(spec(row))
        row.save()
        until(lambda: agent.engine.status(row.handle).state is State.RUNNING, "its start")
        return row

    monkeypatch.setattr(launch, "spec_of", lambda release, workload: spec(workload))
    return made


def asleep(mark: str) -> set[int]:
    """The apps' own processes; those around them, of a sandbox, have the words in their arguments too."""
    found = set()
    for path in processes("sleep", mark):
        with contextlib.suppress(OSError):
            if (path / "cmdline").read_bytes().startswith(b"sleep\0"):
                found.add(int(path.name))
    return found


def two(make: Make, mark: str) -> list[Workload]:
    """What listens and a worker, both running."""
    rows = [make("web"), make("mail")]
    until(lambda: len(asleep(mark)) == 2, "both processes")
    return rows


def again(agent: EngineAgent, rows: list[Workload], mark: str) -> None:
    """Reconciled twice, each runs once."""
    for _ in range(2):
        reconcile._workloads()
        for row in rows:
            until(lambda row=row: agent.engine.status(row.handle).state is State.RUNNING, f"{row} to run")  # type: ignore[misc]
    assert set(agent.engine.workloads()) == {row.pk for row in rows}
    until(lambda: len(asleep(mark)) == len(rows), "one process of each")


def test_an_engine_that_is_away_leaves_the_state_unknown_with_its_age(
    agent: EngineAgent, make: Make, mark: str
) -> None:
    rows = two(make, mark)
    pids = asleep(mark)
    agent.kill()
    Workload.objects.update(observed_at=timezone.now() - datetime.timedelta(minutes=3, seconds=5))
    with pytest.raises(Unavailable):
        reconcile._workloads()
    for row in rows:
        row.refresh_from_db()
        assert row.state == "healthy", "nothing is concluded"
        assert silence(row) == "unknown for 3 min: the engine does not answer"
    assert AppEvent.objects.filter(kind="engine").count() == 2
    assert asleep(mark) == pids, "they run on"
    agent.start()
    again(agent, rows, mark)
    assert asleep(mark) == pids, "the same processes"
    for row in rows:
        row.refresh_from_db()
        assert silence(row) == ""
    told = set(AppEvent.objects.filter(kind="engine").values_list("words", flat=True))
    assert told == {"The engine does not answer: its state is unknown.", "The engine answers again, after 3 min."}


def test_a_machine_that_went_down_has_everything_again_once(agent: EngineAgent, make: Make, mark: str) -> None:
    """Of every type: the engine answers and has none of it, so nothing of it runs anywhere."""
    rows = two(make, mark)
    agent.kill()
    for pid in (*agent.keepers(), *(int(path.name) for path in processes("sleep", mark))):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not processes("sleep", mark) and not agent.keepers(), "everything to be down")
    agent.start()
    assert agent.engine.workloads() == {}
    again(agent, rows, mark)
    assert list(AppEvent.objects.values_list("words", flat=True)) == [reconcile.GONE] * 2


def test_an_engine_that_lost_all_it_knew_starts_nothing_twice(agent: EngineAgent, make: Make, mark: str) -> None:
    """Agent and keeper are gone, the apps' processes are not: they are ended, since nobody holds them any more."""
    rows = two(make, mark)
    before = asleep(mark)
    agent.kill()
    for pid in agent.keepers():
        os.kill(pid, signal.SIGKILL)
    agent.start()
    again(agent, rows, mark)
    assert not before & asleep(mark)
