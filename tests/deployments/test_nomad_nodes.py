"""A node that does not answer its cluster: told of every instance on it, and what runs on another one since."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps import engines
from apps.dashboard.pod_states import silence
from apps.deployments import desired, reconcile
from apps.deployments.models import AppEvent, Workload
from apps.engines import recovery
from apps.pods.models import Revision
from tests.engines.nomad.api import JOB, Api, engine_on, recorded

pytestmark = pytest.mark.django_db
UNKNOWN = "The node test does not answer: its state is unknown."


class Cluster:
    """What Nomad says of one instance, in the words of a real one: on the node `test` unless it is changed."""

    def __init__(self, api: Api, revision: Revision, *, listens: bool) -> None:
        given = {"state": "healthy", "serving": True, "observed_at": timezone.now(), "fingerprint": "f"}
        self.row = Workload.objects.create(pod=revision.pod, revision=revision, app="web", **given)
        self._api, self._listens = api, listens
        job = f"{JOB}{self.row.pk}"
        api.answers["GET jobs"] = (200, [recorded("jobs")[0] | {"ID": job}])
        self.first = self.allocation()
        self.row.handle = {"id": self.row.pk} | ({"address": "127.0.0.1:20000"} if listens else {})
        self.row.save()
        self.says(self.first)

    def allocation(self, **fields: Any) -> dict[str, Any]:
        found = recorded("running")["allocations"][0] | {"JobID": f"{JOB}{self.row.pk}"} | fields
        if not self._listens:
            found["AllocatedResources"]["Shared"]["Ports"] = None
        return dict(found)

    def says(self, *allocations: dict[str, Any]) -> None:
        """Have it say so, and be looked at twice."""
        self._api.answers["GET allocations"] = (200, list(allocations))
        for _ in range(2):
            reconcile._workloads()
        self.row.refresh_from_db()

    def since(self, seconds: float) -> None:
        """Have it be away for as long."""
        self.row.handle["away"] -= seconds
        self.row.save()

    def told(self) -> list[str]:
        return list(AppEvent.objects.order_by("id").values_list("words", flat=True))


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    made = Api()
    engine = engine_on(made.address, tmp_path)
    monkeypatch.setattr(engines, "engine", lambda: engine)
    yield made
    made.close()


def test_a_node_that_is_away_is_told_once_and_its_return_too(api: Api, live: Revision) -> None:
    cluster = Cluster(api, live, listens=False)
    cluster.says(cluster.first)
    assert (cluster.row.handle["host"], cluster.told()) == ("test", [])
    cluster.says(cluster.allocation(ClientStatus="unknown"))
    assert (cluster.row.state, cluster.told()) == ("healthy", [UNKNOWN])
    Workload.objects.update(observed_at=timezone.now() - datetime.timedelta(minutes=3, seconds=5))
    cluster.row.refresh_from_db()
    assert silence(cluster.row) == "unknown for 3 min: the node test does not answer"
    cluster.since(180)
    cluster.says(cluster.first)
    assert cluster.told() == [UNKNOWN, "The node test answers again, after 3 min."]
    assert (cluster.row.state, silence(cluster.row)) == ("healthy", "")


def test_after_15_minutes_a_worker_is_called_lost_and_not_begun_elsewhere(api: Api, live: Revision) -> None:
    cluster = Cluster(api, live, listens=False)
    away = cluster.allocation(ClientStatus="unknown")
    cluster.says(cluster.first)
    cluster.says(away)
    cluster.since(recovery.LOST_AFTER)
    cluster.says(away)
    assert cluster.row.state == "lost"
    assert cluster.told()[1:] == [
        "Lost: the node test has not answered for 15 min. A worker is not started elsewhere, since it may still be at"
        " its work: bring its host back."
    ]


def test_what_nomad_has_moved_to_another_node_is_told_and_traffic_follows(api: Api, live: Revision) -> None:
    cluster = Cluster(api, live, listens=True)
    away = cluster.allocation(ClientStatus="unknown")
    other = cluster.allocation(ID="other", NodeName="berta", CreateIndex=away["CreateIndex"] + 5)
    other["AllocatedResources"]["Shared"]["Ports"][0] |= {"HostIP": "10.0.0.7", "Value": 21000}
    cluster.says(cluster.first)
    cluster.says(away)
    cluster.says(away, other | {"ClientStatus": "pending", "TaskStates": None})
    assert cluster.told() == [UNKNOWN], "not before it runs there"
    cluster.says(away, other)
    assert cluster.told() == [UNKNOWN, "It runs on the node berta now; it was on test."]
    assert cluster.row.handle == {"id": cluster.row.pk, "address": "10.0.0.7:21000", "host": "berta"}
    assert desired._upstreams()[live.pod_id, "web"] == ["10.0.0.7:21000"]


def test_what_is_lost_with_its_node_says_so_in_a_sentence(api: Api, live: Revision) -> None:
    cluster = Cluster(api, live, listens=True)
    cluster.says(cluster.allocation(ClientStatus="lost"))
    assert cluster.row.state == "unhealthy"
    assert cluster.told() == ["The node test is lost; it goes to another one."]
