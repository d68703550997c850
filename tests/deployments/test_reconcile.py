"""What is brought to what should be, with an engine of the module's own: the reconciler ends workloads it knows not."""

import datetime
import time
from dataclasses import replace

import pytest
from django.utils import timezone

from apps import engines
from apps.core.errors import Unavailable
from apps.deployments import desired, reconcile
from apps.deployments.models import AppControl, Workload
from apps.engines.base import LaunchSpec, State
from tests.stack.engine import EngineAgent

pytestmark = pytest.mark.django_db
LONG_AGO = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def agent():
    made = EngineAgent()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture(autouse=True)
def engine(agent, monkeypatch):
    monkeypatch.setattr(engines, "engine", lambda: agent.engine)
    return agent.engine


def workload(runner, revision, command="sleep 600", **fields):
    """A row, and the process it stands for."""
    given = {"state": "healthy", "serving": True, "fingerprint": "f"} | fields
    row = Workload.objects.create(pod=revision.pod, revision=revision, app="web", **given)
    spec = LaunchSpec(id=row.pk, pod=revision.pod_id, command=("sh", "-c", command), env={}, grace=1.0)
    row.handle = runner.launch(spec)
    row.save()
    until(lambda: runner.status(row.handle).state is State.RUNNING)
    return row


def until(condition):
    deadline = time.monotonic() + 45
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_what_the_engine_answers_for_is_seen_again(engine, live):
    old = timezone.now() - LONG_AGO
    row = workload(engine, live, observed_at=old)
    reconcile._workloads()
    row.refresh_from_db()
    assert row.observed_at > old
    seen = row.observed_at
    reconcile._workloads()
    row.refresh_from_db()
    assert row.observed_at == seen, "not written again before it is old"
    engine.stop(row.handle, 1.0)


def test_traffic_follows_what_the_engine_moved(engine, live, monkeypatch):
    row = workload(engine, live)
    row.handle = {**row.handle, "address": "10.0.0.6:21000"}
    row.save()
    seen = engine.workloads
    moved = {"address": "10.0.0.7:22000"}
    monkeypatch.setattr(engine, "workloads", lambda: {k: replace(v, **moved) for k, v in seen().items()})
    reconcile._workloads()
    row.refresh_from_db()
    assert row.address == "10.0.0.7:22000"
    assert row.handle["id"] == row.pk
    assert desired._upstreams()[row.pod_id, "web"] == ["10.0.0.7:22000"]
    moved["address"] = ""
    reconcile._workloads()
    row.refresh_from_db()
    assert row.address == "10.0.0.7:22000", "an engine that does not say moves nothing"
    engine.stop(row.handle, 1.0)


def test_what_is_sent_away_is_replaced(engine, live, monkeypatch):
    row = workload(engine, live)
    seen = engine.workloads
    monkeypatch.setattr(engine, "workloads", lambda: {k: replace(v, leaving=True) for k, v in seen().items()})
    reconcile._workloads()
    row.refresh_from_db()
    assert (row.serving, row.fingerprint) == (True, ""), "it serves on, and another one is wanted in its place"
    assert AppControl.objects.get(pod=row.pod_id, app=row.app).due
    engine.stop(row.handle, 1.0)


def test_while_the_engine_is_silent_nothing_is_concluded(agent, engine, live):
    row = workload(engine, live, observed_at=timezone.now() - LONG_AGO)
    agent.kill()
    with pytest.raises(Unavailable):
        reconcile._workloads()
    agent.start()
    before = row.observed_at
    row.refresh_from_db()
    assert (row.state, row.observed_at) == ("healthy", before)
    reconcile._workloads()
    row.refresh_from_db()
    assert row.observed_at > before, "the same process, once the engine is back"
    engine.stop(row.handle, 1.0)


def test_a_stranger_is_stopped_and_a_new_one_left_alone(engine, live):
    known = workload(engine, live, serving=False, state="starting")
    stranger = workload(engine, live)
    stranger.delete()
    reconcile._workloads()
    until(lambda: engine.status({"id": stranger.handle["id"]}).state in (State.GONE, State.EXITED))
    assert engine.status(known.handle).state is State.RUNNING
    known.refresh_from_db()
    assert known.state == "starting", "what does not serve yet is judged by its health check alone"
    engine.stop(known.handle, 1.0)


def test_one_that_keeps_ending_is_unhealthy_and_says_why(engine, live):
    row = workload(engine, live, command="sleep 0.5; exit 3")
    until(lambda: engine.status(row.handle).state is State.RESTARTING)
    reconcile._workloads()
    row.refresh_from_db()
    assert row.state == "unhealthy"
    assert "restart" in row.reason
    engine.stop(row.handle, 1.0)


class Away:
    """An engine that does not answer."""

    def workloads(self):
        raise Unavailable("engine_unavailable", "It does not answer.")


def test_each_workload_is_looked_for_on_its_own_engine(engine, live, monkeypatch):
    monkeypatch.setattr(engines, "offered", lambda: ("process", "docker"))
    monkeypatch.setattr(engines, "named", lambda name: Away() if name == "docker" else engine)
    here = workload(engine, live, engine="process", observed_at=timezone.now() - LONG_AGO)
    there = workload(engine, live, engine="docker", observed_at=timezone.now() - LONG_AGO)
    before = here.observed_at, there.observed_at
    with pytest.raises(Unavailable):
        reconcile._workloads()
    for row in (here, there):
        row.refresh_from_db()
    assert here.observed_at > before[0], "though the other engine is away"
    assert (there.state, there.observed_at) == ("healthy", before[1]), "of what it has nothing is concluded"
    for row in (here, there):
        assert engine.status(row.handle).state is State.RUNNING, "nobody's that has a row is ended"
        engine.stop(row.handle, 1.0)
