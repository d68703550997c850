"""What monitoring reads: with the token and no other way; every app and the platform itself."""

from __future__ import annotations

import dataclasses
import datetime
import re
import time
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.builds.models import Builder
from apps.core import holders
from apps.core.ids import new_id
from apps.dashboard import platform_figures
from apps.deployments.models import Deployment, Workload
from apps.edge.access_log import Served
from apps.metrics import store
from apps.metrics.exposition import CONTENT_TYPE
from apps.metrics.steps import Batch
from apps.pods.models import Pod

pytestmark = pytest.mark.django_db
TOKEN = "a-token-of-at-least-24-characters"


@pytest.fixture
def token(settings: Any) -> str:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, metrics_token=TOKEN)
    return TOKEN


def read(given: str = f"Bearer {TOKEN}") -> Any:
    return Client().get("/metrics", headers={"Authorization": given} if given else {})


def samples() -> dict[str, float]:
    answer = read()
    assert answer.status_code == 200
    lines = [line.rpartition(" ") for line in answer.content.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_without_a_token_set_up_there_is_no_such_page(alice: User, client_of: Any) -> None:
    assert read().status_code == 404
    assert read("Bearer ").status_code == 404
    assert client_of(alice).get("/metrics").status_code == 404


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer ü"]
)
def test_without_the_right_one_nothing_is_said(token: str, given: str) -> None:
    answer = read(given)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert b"brainpod" not in answer.content
    assert TOKEN not in answer.content.decode()


def test_a_session_is_no_token(token: str, alice: User, client_of: Any) -> None:
    assert client_of(alice).get("/metrics").status_code == 401
    assert client_of(alice).post("/metrics").status_code in (403, 405)


def test_the_form_is_prometheus(token: str) -> None:
    answer = read()
    assert answer["Content-Type"] == CONTENT_TYPE
    assert "no-store" in answer["Cache-Control"]
    families = re.findall(r"^# TYPE (\w+) (counter|gauge|histogram)$", answer.content.decode(), re.MULTILINE)
    assert len(families) == len(set(families)) >= 12
    assert read(f"bearer {TOKEN}").status_code == 200


def test_every_app_has_its_figures(token: str, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_figures, "FRESH", 86400)  # however long this test is kept waiting
    pod = Pod.objects.create(team=team, name=f"p{new_id()}")
    revision = pod.revisions.create(version=1, sealed_at=timezone.now())
    for state in ("healthy", "healthy", "unhealthy", "stopped"):
        Workload.objects.create(pod=pod, revision=revision, app="web", fingerprint="f", state=state)
    now, batch = time.time(), Batch()
    for status, ms in ((200, 3), (200, 40), (503, 900)):
        batch.at(pod.pk, "web", now).count(Served(pod.pk, "web", now, status, ms, 10, 1000))
    sums = batch.at(pod.pk, "web", now)
    sums.look(memory_mb=64)
    sums.cpu_ms, sums.restarts = 2500, 2
    for _ in range(2):
        batch.at(pod.pk, "db", now).note({"samples": 1, "connections": 4, "hits": 5, "misses": 1, "slow": 1})
    store.write(store.reading(new_id()), {}, batch.buckets())
    found = samples()
    app = f'team="{team.slug}",pod="{pod.name}",app="web"'
    assert found[f'brainpod_app_requests_total{{{app},status="2xx"}}'] == 2
    assert found[f'brainpod_app_requests_total{{{app},status="5xx"}}'] == 1
    assert found[f'brainpod_app_request_duration_seconds_bucket{{{app},le="0.004"}}'] == 1
    assert found[f'brainpod_app_request_duration_seconds_bucket{{{app},le="+Inf"}}'] == 3
    assert found[f"brainpod_app_request_duration_seconds_sum{{{app}}}"] == 0.943
    assert found[f"brainpod_app_sent_bytes_total{{{app}}}"] == 3000
    assert found[f"brainpod_app_cpu_seconds_total{{{app}}}"] == 2.5
    assert found[f"brainpod_app_restarts_total{{{app}}}"] == 2
    assert found[f"brainpod_app_memory_bytes{{{app}}}"] == 64 * 1024 * 1024
    assert found[f'brainpod_app_instances{{{app},state="healthy"}}'] == 2
    assert not [name for name in found if 'state="stopped"' in name]
    database = f'team="{team.slug}",pod="{pod.name}",database="db"'
    assert found[f"brainpod_database_connections{{{database}}}"] == 4
    assert found[f"brainpod_database_cache_hits_total{{{database}}}"] == 10
    assert found[f"brainpod_database_slow_statements_total{{{database}}}"] == 2
    assert not [name for name in found if name.startswith("brainpod_database_keys")]
    assert found["brainpod_metrics_age_seconds"] < 600


def test_the_platform_has_its_own(token: str, team: Team) -> None:
    assert samples()["brainpod_metrics_age_seconds"] == float("inf")
    pod = Pod.objects.create(team=team, name=f"p{new_id()}")
    revision = pod.revisions.create(version=1, sealed_at=timezone.now())
    for state, reason in (("ready", ""), ("failed", ""), ("waiting", "slot")):
        Deployment.objects.create(pod=pod, revision=revision, trigger="manual", state=state, waits_for=reason)
    me = {"holder": holders.me(), "seen_at": timezone.now() + datetime.timedelta(hours=1)}
    Builder.objects.create(name="one", region="here", capacity=3, **me)
    Builder.objects.create(name="two", region="here", capacity=5, draining=True, **me)
    Builder.objects.create(name="three", region="there", capacity=7)
    found = samples()
    assert found['brainpod_deployments{state="ready"}'] == found['brainpod_deployments{state="failed"}'] == 1
    assert found['brainpod_deployments{state="cancelled"}'] == 0
    assert found['brainpod_deployments_waiting{for="slot"}'] == 1
    states = {name: value for name, value in found.items() if name.startswith("brainpod_builders")}
    assert states == {
        'brainpod_builders{region="here",state="alive"}': 1,
        'brainpod_builders{region="here",state="draining"}': 1,
        'brainpod_builders{region="there",state="silent"}': 1,
    }
    assert found['brainpod_builder_slots{region="here"}'] == 3


def test_apps_of_deleted_pods_are_left_out(token: str) -> None:
    batch = Batch()
    batch.at("gone", "web", time.time()).look(memory_mb=1)
    store.write(store.reading(new_id()), {}, batch.buckets())
    assert not [name for name in samples() if 'app="web"' in name]


def test_the_number_of_queries_does_not_grow(token: str, team: Team) -> None:
    def add(count: int) -> None:
        batch = Batch()
        for _ in range(count):
            pod = Pod.objects.create(team=team, name=f"p{new_id()}")
            batch.at(pod.pk, "web", time.time()).look(memory_mb=1)
        store.write(store.reading("host"), {}, batch.buckets())

    asked = []
    for count in (1, 10):
        add(count)
        with CaptureQueriesContext(connection) as queries:
            read()
        asked.append(len(queries))
    assert asked[0] == asked[1] < 40
