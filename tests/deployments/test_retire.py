"""What was replaced ends once nobody is waiting for its answer, and not much later."""

import datetime

import pytest
from django.utils import timezone

from apps import edge, engines
from apps.core.errors import Unavailable
from apps.deployments import disks, retire
from apps.deployments.disk_paths import disk_path
from apps.deployments.models import Deployment, Workload
from apps.engines.base import State
from tests.engines.workloads import connect, echo_server, echoes, until

pytestmark = pytest.mark.django_db(transaction=True)


class NothingInFront:
    """The edge's part is shown in tests/edge; here is none."""

    def apply(self, state):
        pass

    def settle(self):
        pass


@pytest.fixture(autouse=True)
def engine(engine_agent, monkeypatch):
    monkeypatch.setattr(engines, "engine", lambda: engine_agent)
    monkeypatch.setattr(edge, "edge", NothingInFront)
    return engine_agent


@pytest.fixture
def replaced(live, engine):
    """A workload that another has just taken the traffic from."""
    now = timezone.now()
    Deployment.objects.create(pod=live.pod, revision=live, state="ready", trigger="manual", switched_at=now)
    row = Workload.objects.create(pod=live.pod, revision=live, app="web", state="healthy", fingerprint="f")
    row.handle = engine.launch(echo_server(id=row.pk, pod=live.pod_id))
    row.save()
    until(lambda: echoes(row.handle), "an answer")
    yield row
    engine.stop(row.handle, 0)


def gone(engine, row):
    row.refresh_from_db()
    return row.state == "stopped" and engine.status(row.handle).state is State.GONE


def test_it_ends_soon_when_nothing_is_under_way(engine, replaced):
    retire.retire(replaced.pod_id)
    assert gone(engine, replaced)


def test_a_request_under_way_is_waited_for(engine, replaced, monkeypatch):
    monkeypatch.setattr(retire, "PATIENCE", 1.5)
    with connect(replaced.handle) as client:
        client.sendall(b"slow")
        assert client.recv(10) == b"slow"
        retire.retire(replaced.pod_id)
        assert not gone(engine, replaced), "the reconciler looks after it from here"
        client.sendall(b"still")
        assert client.recv(10) == b"still"
    until(lambda: engine.connections(replaced.handle) == 0, "the connection to be closed")
    retire.retire(replaced.pod_id)
    assert gone(engine, replaced)


def test_nobody_is_waited_for_for_ever(engine, replaced, settings):
    long_ago = timezone.now() - datetime.timedelta(seconds=settings.BRAINPOD.drain_seconds)
    Deployment.objects.update(switched_at=long_ago)
    with connect(replaced.handle) as client:
        client.sendall(b"endless")
        assert client.recv(10) == b"endless"
        retire.retire(replaced.pod_id)
        assert gone(engine, replaced)


def test_a_disk_on_other_machines_is_removed_there_before_it_is_forgotten_here(engine, live, monkeypatch):
    path = disk_path(live.pod_id, "data")
    path.mkdir(parents=True)
    removed = []

    def away(disk):
        raise Unavailable("engine_unavailable", "Away.", "")

    monkeypatch.setattr(engine, "disks", "elsewhere", raising=False)
    monkeypatch.setattr(engine, "discard", away)
    retire.retire(live.pod_id)
    assert path.is_dir(), "to be tried again"
    monkeypatch.setattr(engine, "discard", removed.append)
    retire.retire(live.pod_id)
    assert (removed, path.exists()) == ([str(path)], False)


def test_a_deleted_pod_leaves_no_disk_on_other_machines(engine, live, monkeypatch):
    path = disk_path(live.pod_id, "data")
    path.mkdir(parents=True)
    removed = []
    monkeypatch.setattr(engine, "disks", "elsewhere", raising=False)
    monkeypatch.setattr(engine, "discard", removed.append)
    disks.discard(live.pod_id, path)
    assert removed == [str(path)]
    assert disks.kept(live.pod_id) == [path]
