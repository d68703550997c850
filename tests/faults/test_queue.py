"""How many deployments are worked on at once, and which are next."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.db import OperationalError

from apps.core import holders
from apps.core.ids import new_id
from apps.core.leases import acquire
from apps.deployments import pipeline, queue
from apps.deployments.models import Deployment
from apps.pods import actions as pods

pytestmark = pytest.mark.django_db


def deployment(team, state="pending") -> Deployment:
    pod = pods.create_pod(team=team, name=f"p-{new_id()[-8:]}", by=None)
    app = {"source": {"repo": "https://git.example.com/team/shop.git"}, "instance": ".25x"}
    pods.save_resource(pod=pod, kind="App", name="web", spec=app, by=None, create=True)
    revision = pods.seal(pod=pod, summary="", by=None)
    return Deployment.objects.create(pod=pod, revision=revision, trigger="manual", state=state)


@pytest.fixture
def full(team) -> list[Deployment]:
    """As many deployments as may be worked on without a builder, each with somebody who works on it."""
    rows = [deployment(team) for _ in range(settings.BRAINPOD.workers + 1)]
    assert all(acquire(row) for row in rows)
    return rows


def test_the_worker_keeps_a_process_for_the_duties(team, full) -> None:
    """One more than may be worked on stays where it is, though a process of the worker's is free for it."""
    waiting = deployment(team, "waiting")
    assert not queue.has_room(waiting)
    pipeline.run(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.fence) == ("waiting", 0)
    full[0].state = "ready"
    full[0].save()
    assert queue.has_room(waiting)


@pytest.mark.skipif(not holders.me(), reason="this system has no /proc")
def test_the_dead_take_no_room(team, full) -> None:
    waiting = deployment(team, "waiting")
    dead = holders.me().rpartition(":")[0] + ":1"
    Deployment.objects.filter(pk=full[0].pk).update(holder=dead)
    assert queue.has_room(waiting)
    assert {full[0].pk, waiting.pk} <= set(queue.unattended())
    assert full[1].pk not in set(queue.unattended())


def test_what_waits_behind_another_is_not_woken(team, full) -> None:
    behind = Deployment.objects.create(pod=full[0].pod, revision=full[0].revision, trigger="manual", state="waiting")
    assert behind.pk not in set(queue.unattended())


def test_a_database_that_cuts_the_connection_fails_no_deployment(team, monkeypatch) -> None:
    """Though it can be written to again at once: the deployment stays as it was, for whoever takes it over."""

    def deploy(_: object) -> None:
        raise OperationalError("the connection is lost")

    row = deployment(team)
    lease = acquire(row)
    assert lease
    monkeypatch.setattr(pipeline, "deploy", deploy)
    monkeypatch.setattr(pipeline, "all_hidden", lambda _: [])
    monkeypatch.setattr(pipeline.connection, "close", lambda: None)  # it is that of this test's transaction
    with pytest.raises(OperationalError):
        pipeline._work(row, lease)
    row.refresh_from_db()
    assert (row.state, row.error_code) == ("pending", "")
