"""The metrics of an app as people see them, and what the charts draw."""

from __future__ import annotations

import time

import pytest
from django.utils import timezone

from apps.core.ids import new_id
from apps.edge.access_log import Served
from apps.metrics import store
from apps.metrics.models import Statements
from apps.metrics.steps import FINE, Batch, routes_of
from tests.dashboard.pages.conftest import APP, HOSTILE, deploy, make_pod, seal, serve, spec

pytestmark = pytest.mark.django_db


@pytest.fixture
def pod(team):
    """v1 of a web app, a worker, a static site and a config is live."""
    made = make_pod(team)
    kinds = {name: ("App", spec("App", **APP | {"type": name})) for name in ("web", "static")}
    worker = spec("App", **APP | {"type": "worker", "startCommand": "run"})
    site = spec("Route", rules=[{"path": "/", "app": "web"}])
    every = {**kinds, "jobs": ("App", worker), "settings": ("Config", spec("Config")), "site": ("Route", site)}
    revision = seal(made, 1, every)
    deploy(revision, finished_at=timezone.now(), switched_at=timezone.now())
    serve(revision, "web")
    return made


def measure(pod, app="web", *, ago=60.0, requests=1, status=200, ms=20, memory=None):
    at, batch = time.time() - ago, Batch()
    for _ in range(requests):
        batch.at(pod.pk, app, at).count(Served(pod.pk, app, at, status, ms, 100, 2000))
    if memory is not None:
        batch.at(pod.pk, app, at).look(memory_mb=memory)
    batch.at("", "", at).looks += 1
    store.write(store.reading("host"), {}, batch.buckets())
    return int(at // FINE) * FINE


def page(client, pod, app="web", query=""):
    answer = client.get(f"/pods/{pod.name}/resources/{app}/?tab=metrics{query}")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def data(client, pod, app="web", query=""):
    return client.get(f"/pods/{pod.name}/resources/{app}/metrics.json{query}")


def test_the_figures_are_in_the_page_without_scripts(pod, veras):
    measure(pod, requests=1200, ms=20, memory=180)
    measure(pod, requests=12, status=503, ms=4000)
    text = page(veras, pod)
    assert 'title="the requests themselves">1 212</a></dd>' in text
    assert '&amp;status=5xx" title="the requests themselves">1.0 %</a></dd>' in text
    assert "<dt>Memory</dt><dd>180 MB</dd>" in text
    assert 'data-chart="latency"' in text
    assert 'data-chart="cpu"' in text
    assert 'v1</a> <span class="text-secondary">went live' in text


def test_what_is_refreshed_is_the_part_with_the_figures(pod, veras):
    measure(pod)
    answer = veras.get(f"/pods/{pod.name}/resources/web/?tab=metrics&range=6h", headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert text.lstrip().startswith('<div id="metrics"')
    assert "range=6h" in text
    assert "data-chart" not in text


@pytest.mark.parametrize(
    ("app", "charts"),
    [
        ("web", {"requests", "latency", "traffic", "cpu", "memory", "restarts"}),
        ("static", {"requests", "latency", "traffic"}),
        ("jobs", {"cpu", "memory", "restarts"}),
    ],
)
def test_only_what_an_app_has_is_shown(pod, veras, app, charts):
    text = page(veras, pod, app)
    every = ("requests", "latency", "traffic", "cpu", "memory", "restarts")
    assert {name for name in every if f'data-chart="{name}"' in text} == charts


def test_a_route_has_what_came_by_it(pod, veras):
    """The app has requests of the same time, which came otherwise."""
    measure(pod, requests=7)
    at, batch = time.time() - 60, Batch()
    for status in (200, 200, 301, 404):
        batch.at(routes_of(pod.pk), "site", at).count(Served(pod.pk, "", at, status, 20, 100, 2000, "site"))
    store.write(store.reading("host"), {}, batch.buckets())
    text = page(veras, pod, "site")
    assert '?tab=metrics" aria-current' in text or ">Metrics</a>" in text
    assert 'title="the requests themselves">4</a></dd>' in text
    assert "<dt>CPU</dt>" not in text
    assert {name for name in ("requests", "latency", "traffic", "cpu") if f'data-chart="{name}"' in text} == {
        "requests", "latency", "traffic",
    }  # fmt: skip
    drawn = data(veras, pod, "site").json()
    assert sum(value or 0 for value in drawn["redirected"]) > 0
    assert "cpu" not in drawn
    assert 'title="the requests themselves">7</a></dd>' in page(veras, pod)


def test_before_there_is_anything(pod, veras):
    text = page(veras, pod)
    assert "No figures yet" in text
    assert "Nothing has been measured on this platform yet" in text
    measure(pod, "static")
    text = page(veras, pod)
    assert "No figures yet" in text, "of this app"
    assert "on this platform yet" not in text
    assert "No figures yet" not in page(veras, pod, "static")


def test_that_nothing_was_measured_for_long_is_said(pod, veras):
    measure(pod)
    assert "Nothing has been measured for" not in page(veras, pod)
    row = store.reading("host")
    type(row).objects.filter(pk=row.pk).update(written_at=timezone.now() - timezone.timedelta(minutes=10))
    assert "Nothing has been measured for 1" in page(veras, pod)


def test_a_config_has_no_metrics(pod, veras):
    text = page(veras, pod, "settings")
    assert "tab=metrics" not in text.partition("<main")[2].partition("hx-get")[0]
    assert 'id="charts"' not in text
    assert data(veras, pod, "settings").status_code == 404
    assert data(veras, pod, "nothing").status_code == 404


def test_what_the_charts_draw(pod, veras):
    at = measure(pod, requests=3, memory=100)
    answer = data(veras, pod)
    assert "no-store" in answer["Cache-Control"]
    said = answer.json()
    number = said["times"].index(at)
    assert (said["succeeded"][number], said["memory"][number], said["p50"][number] > 10) == (12, 100, True)
    assert said["succeeded"][number - 1] is None
    (mark,) = said["marks"]
    assert mark["address"] == f"/pods/{pod.name}/deployments/{mark['id']}/"
    assert (mark["version"], mark["state"], mark["words"]) == (1, "ready", "went live")


@pytest.mark.parametrize("name", ["1h", "6h", "24h", "7d", "30d"])
def test_every_range(pod, veras, name):
    measure(pod, requests=5)
    said = data(veras, pod, query=f"?range={name}").json()
    total = sum(value * said["step"] / 60 for value in said["succeeded"] if value is not None)
    # A step that is not over has a higher rate; rates are rounded to 0.01 a minute, and the five may lie in two steps.
    assert total >= 4.9 - 2 * 0.005 * said["step"] / 60
    assert f"range={name}" in page(veras, pod, query=f"&range={name}")


@pytest.mark.parametrize("name", ["", "2h", "1H", HOSTILE])
def test_other_ranges_are_not_there(pod, veras, name):
    assert veras.get(f"/pods/{pod.name}/resources/web/metrics.json", {"range": name}).status_code == 404


def test_deployments_outside_and_those_under_way_are_no_marks(pod, veras):
    old = timezone.now() - timezone.timedelta(hours=3)
    deploy(pod.live, "failed", finished_at=old)
    deploy(pod.live, "pending")
    assert [mark["state"] for mark in data(veras, pod).json()["marks"]] == ["ready"]
    assert [mark["state"] for mark in data(veras, pod, query="?range=6h").json()["marks"]] == ["ready", "failed"]


def test_a_summary_cannot_become_markup(pod, veras):
    pod.live.summary = HOSTILE
    type(pod.live).objects.filter(pk=pod.live.pk).update(summary=HOSTILE)
    measure(pod)
    assert HOSTILE not in page(veras, pod)
    answer = data(veras, pod)
    assert answer.json()["marks"][0]["summary"] == HOSTILE
    assert answer["Content-Type"] == "application/json"


def test_others_apps_are_not_there(pod, charlie, client_of, team):
    measure(pod)
    client = client_of(charlie)
    assert data(client, pod).status_code == 404
    assert client.get(f"/pods/{pod.name}/resources/web/?tab=metrics").status_code == 404


def test_an_app_of_the_same_name_in_another_pod_is_another(pod, veras, team):
    other = make_pod(team)
    seal(other, 1, {"web": ("App", spec("App", **APP))})
    measure(other, requests=7)
    measure(pod, requests=2)
    assert 'title="the requests themselves">2</a></dd>' in page(veras, pod)


def test_the_number_of_queries_does_not_grow(pod, veras, django_assert_max_num_queries):
    for ago in range(30, 3000, 150):
        measure(pod, ago=ago)
    for _ in range(5):
        deploy(pod.live, finished_at=timezone.now())
    with django_assert_max_num_queries(10):
        data(veras, pod)


def test_what_a_deleted_pod_had_goes_with_it(pod):
    measure(pod)
    store.forget([pod.pk])
    assert (pod.pk, "web") not in store.totals()
    assert new_id() not in store.totals()


DATABASES = [("PostgresDB", {"connections", "size", "hits", "slow"}), ("Valkey", {"keys", "evictions", "size", "hits"})]


@pytest.mark.parametrize(("kind", "charts"), DATABASES)
def test_figures_of_a_database(team, veras, kind, charts):
    pod = make_pod(team)
    seal(pod, 1, {"data": ("Disk", spec("Disk", size=5)), "db": (kind, spec(kind, disk="data") | {"credentials": 1})})
    at, batch = time.time() - 60, Batch()
    figures = {"connections": 7, "limit": 100, "size": 5 * 1024**2, "keys": 12, "hits": 90, "misses": 10, "slow": 3}
    for _ in range(2):
        batch.at(pod.pk, "db", at).note({"samples": 1, **figures})
    store.write(store.reading("host"), {}, batch.buckets())
    text = page(veras, pod, "db")
    assert {name for name in charts if f'data-chart="{name}"' in text} == charts
    assert "<dt>Connections</dt><dd>7 <small" in text
    assert "of 100</small>" in text
    assert "5.0 MiB" in text
    assert "90.0 %" in text
    assert "It is asked once a minute." in text
    rows = [[f"SELECT {HOSTILE}", 3, 4500.0, 2000.0], ["SELECT 2", 1, 3.0, None]]
    Statements.objects.create(pod=pod.pk, database="db", rows=rows, said_at=timezone.now())
    text = page(veras, pod, "db")
    assert HOSTILE not in text
    assert "SELECT &lt;script&gt;" in text
    assert ("Longest" in text, "1.5 s" in text) == (True, True)
    said = data(veras, pod, "db").json()
    number = said["times"].index(int(at // FINE) * FINE)
    shown = {name: said[name][number] for name in ("connections", "limit", "size", "hits", "slow", "keys")}
    assert shown == {"connections": 7, "limit": 100, "size": 5 * 1024**2, "hits": 90, "slow": 6, "keys": 12}
    assert said["connections"][number - 1] is None
    store.forget([pod.pk])
    assert not Statements.objects.filter(pod=pod.pk).exists()
