"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps import edge, engines, secretstore
from apps.accounts.models import Team, User
from apps.deployments.models import Workload
from apps.engines.process.client import ProcessEngine
from apps.pods import actions as pods
from apps.pods.models import Pod, Revision
from tests.deployments.standing import Shop
from tests.deployments.started import Apps
from tests.edge.conftest import Stand, prepared


@pytest.fixture
def live(team: Team, alice: User) -> Revision:
    """A revision that is live, with the app `web`."""
    pod = pods.create_pod(team=team, name="shop", by=alice)
    app = {"source": {"repo": "https://git.example.com/team/shop.git"}, "instance": ".25x"}
    pods.save_resource(pod=pod, kind="App", name="web", spec=app, by=alice, create=True)
    pod.refresh_from_db()
    revision = pods.seal(pod=pod, summary="", by=alice)
    Pod.objects.filter(pk=pod.pk).update(live=revision)
    return revision


@pytest.fixture
def apps(engine_agent: ProcessEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Apps]:
    """Apps on the process engine, which is the platform's meanwhile."""
    monkeypatch.setattr(engines, "engine", lambda: engine_agent)
    started = Apps(engine_agent)
    yield started
    started.stop()


@pytest.fixture
def served(engine_agent: ProcessEngine, monkeypatch: pytest.MonkeyPatch, front_door: Stand) -> Iterator[ProcessEngine]:
    """The process engine, with an edge before it, as the platform's own; what a test leaves running is stopped."""
    monkeypatch.setattr(engines, "engine", lambda: engine_agent)
    monkeypatch.setattr(secretstore, "secrets", lambda: None)  # nothing here has a secret
    monkeypatch.setattr(edge, "edge", lambda: front_door.edge)
    yield engine_agent
    for row in Workload.objects.exclude(state="stopped"):
        engine_agent.stop(row.handle or {"id": row.pk}, 0)


@pytest.fixture
def shop(served: ProcessEngine, team: Team, alice: User, front_door: Stand) -> Shop:
    return Shop(front_door, alice, team)


@pytest.fixture
def front_door() -> Iterator[Stand]:
    with prepared() as made:
        made.start()
        yield made
