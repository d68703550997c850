"""A container that was replaced goes once nobody waits for it, those included whom it has not let in yet."""

from __future__ import annotations

import dataclasses
import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from apps import edge, engines
from apps.deployments import retire
from apps.deployments.models import Deployment, Workload
from apps.engines.base import State
from apps.pods.models import Revision
from tests.engines.workloads import PATIENCE, connect, let_in, shy_server, until
from tests.stack.docker import DockerDaemon
from tests.stack.docker_engine import ImageEngine, engine_on

pytestmark = pytest.mark.django_db(transaction=True)


class NothingInFront:
    """The edge's part is shown in tests/edge; here is none."""

    def apply(self, state: Any) -> None:
        pass

    def settle(self) -> None:
        pass


@pytest.fixture
def engine(
    docker_daemon: DockerDaemon, python_image: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> Iterator[ImageEngine]:
    with engine_on(docker_daemon) as (made, _):
        monkeypatch.setattr(engines, "engine", lambda: made)
        monkeypatch.setattr(edge, "edge", NothingInFront)
        monkeypatch.setattr(retire, "PATIENCE", 0)
        settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, drain_seconds=3600)
        yield made
        for workload in made.workloads():
            made.stop({"id": workload}, 0)


@pytest.fixture
def replaced(live: Revision, engine: ImageEngine) -> Workload:
    """A workload that another has just taken the traffic from, and that lets nobody in."""
    now = timezone.now()
    Deployment.objects.create(pod=live.pod, revision=live, state="ready", trigger="manual", switched_at=now)
    row = Workload.objects.create(pod=live.pod, revision=live, app="web", state="healthy", fingerprint="f")
    row.handle = engine.launch(shy_server(id=row.pk, pod=live.pod_id))
    row.save()
    until(lambda: engine.probe(row.handle) is None, "the server")
    return row


def test_a_request_that_was_not_let_in_yet_is_waited_for(engine: ImageEngine, replaced: Workload) -> None:
    """Under load the kernel drops who asks for a connection, who asks again after 1 s, 3 s, 7 s."""
    host, _, port = replaced.handle["address"].rpartition(":")
    with socket.socket() as late:
        with connect(replaced.handle) as first:
            late.setblocking(False)
            late.connect_ex((host, int(port)))
            until(lambda: engine.connections(replaced.handle) == 2, "both to be known")
            let_in(engine, replaced.handle)
            first.sendall(b"x")
            assert first.recv(1) == b"x"
        until(lambda: (engine.connections(replaced.handle) or 0) <= 1, "the first to be gone")
        retire.retire(replaced.pod_id)
        assert engine.status(replaced.handle).state is State.RUNNING, "somebody still asks for it"
        let_in(engine, replaced.handle)
        assert select.select([], [late], [], PATIENCE)[1]
        late.setblocking(True)
        late.settimeout(PATIENCE)
        late.sendall(b"still")
        assert late.recv(5) == b"still"
    until(lambda: engine.connections(replaced.handle) == 0, "the last to be gone")
    retire.retire(replaced.pod_id)
    replaced.refresh_from_db()
    assert (replaced.state, engine.status(replaced.handle).state) == ("stopped", State.GONE)
