"""Build minutes, and what waits for a builder, as people see them."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from django.utils import timezone

from apps.builds import usage
from apps.builds.models import Builder, BuildRun
from apps.deployments import actions, dispatch
from apps.deployments.models import Deployment
from apps.pods import actions as pods

pytestmark = pytest.mark.django_db
APP = {"source": {"repo": "https://git.example.com/team/shop.git"}, "instance": ".25x"}


@pytest.fixture(autouse=True)
def elsewhere(settings):
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, builds=False)


def deployment(team, name) -> Deployment:
    pod = pods.create_pod(team=team, name=name, by=None)
    pods.save_resource(pod=pod, kind="App", name="web", spec=APP, by=None, create=True)
    return actions.start(pod=pod, revision=pods.seal(pod=pod, summary="", by=None), trigger="manual", by=None)


def spend(team, minutes, *, start=None, outcome="built"):
    start = start or usage.month(timezone.now())
    BuildRun.objects.create(
        team=team, pod_name="shop", app="web", builder="one", outcome=outcome,
        started_at=start, finished_at=start + datetime.timedelta(minutes=minutes),
    )  # fmt: skip


def page(client, team, query=""):
    answer = client.get(f"/teams/{team.slug}/usage/{query}")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_the_months_minutes(team, alice, client_of):
    client = client_of(alice)
    assert "minutes, without a limit" in page(client, team)
    team.plan = "free"
    team.save()
    spend(team, 30)
    spend(team, 12.5, outcome="failed")
    before = usage.month(timezone.now()) - datetime.timedelta(days=1)
    spend(team, 7, start=usage.month(before))
    text = page(client, team)
    assert '<span class="h2">42.5</span> of 100 minutes' in text
    assert "<td>shop</td><td>web</td><td>2</td><td>1</td><td>42.5</td>" in text
    assert '<span class="h2">7.0</span>' in page(client, team, f"?month={before:%Y-%m}")
    assert client.get(f"/teams/{team.slug}/usage/?month=soon").status_code == 404


def test_what_used_up_minutes_mean_is_said(team, alice, client_of):
    team.plan = "free"
    team.save()
    spend(team, 101)
    assert "New builds wait for the next month." in page(client_of(alice), team)
    team.plan = "pro"
    team.save()
    spend(team, 1000)
    assert "counted as overage: 101.0 minutes" in page(client_of(alice), team)


def test_the_queue(team, alice, client_of):
    Builder.objects.create(name="one", region="local", capacity=9, seen_at=timezone.now())
    team.plan = "free"
    team.save()
    rows = [deployment(team, name) for name in ("first", "second", "third")]
    dispatch.assign()
    client = client_of(alice)
    text = page(client, team)
    assert "Given to the builder one, which begins in a moment." in text
    assert "Waits for a build slot, number 2 in the queue: plan free has 1 build at once." in text
    assert text.index("first v1") < text.index("second v1") < text.index("third v1")
    own = client.get(f"/pods/third/deployments/{rows[2].pk}/").content.decode()
    assert "Waits for a build slot, number 2 in the queue" in own
    assert "number 1 in the queue" in client.get("/pods/second/deployments/").content.decode()
    client.post(f"/pods/second/deployments/{rows[1].pk}/cancellation/")
    assert "number 1 in the queue" in client.get("/pods/third/deployments/").content.decode()


def test_where_a_pod_is_built(team, alice, client_of):
    pod = pods.create_pod(team=team, name="shop", by=None)
    client = client_of(alice)
    assert 'name="region"' not in client.get("/pods/shop/settings/").content.decode(), "there is nothing to choose"
    Builder.objects.create(name="far", region="fra1")
    assert '<option value="fra1">' in client.get("/pods/shop/settings/").content.decode()
    client.post("/pods/shop/region/", {"region": "fra1"})
    pod.refresh_from_db()
    assert pod.region == "fra1"
    client.post("/pods/shop/region/", {"region": "nowhere"})
    pod.refresh_from_db()
    assert pod.region == "fra1"


def test_what_a_pod_runs_on(team, alice, client_of, settings):
    pod = pods.create_pod(team=team, name="shop", by=None)
    client = client_of(alice)
    page = client.get("/pods/shop/settings/").content.decode()
    assert "Processes on this host" in page
    assert 'name="engine"' not in page, "there is nothing to choose"
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, engines="docker", docker_host="unix:///nowhere.sock")
    pods.save_resource(pod=pod, kind="Config", name="words", spec={}, by=alice, create=True)
    pods.seal(pod=pod, summary="", by=alice)
    pod.refresh_from_db()
    pod.live = pod.head = pod.revisions.get()
    pod.save()
    page = client.get("/pods/shop/settings/").content.decode()
    assert '<option value="" selected>The default: processes on this host</option>' in page
    assert "Each instance is a container of the Docker daemon" in page
    assert "podman" not in page
    client.post("/pods/shop/engine/", {"engine": "podman"})
    assert pod.draft is None
    page = client.post("/pods/shop/engine/", {"engine": "docker"}, follow=True).content.decode()
    assert pod.draft.engine == "docker"
    assert "moves shop from processes on this host to Docker" in page
    assert "<code>engine</code>" in page
    page = client.get("/pods/shop/settings/").content.decode()
    assert "Now it runs on processes on this host" in page
    assert '<option value="docker" selected>' in page
    sealed = pods.seal(pod=pod, summary="", by=alice)
    assert (sealed.engine, sealed.summary) == ("docker", "Move to Docker")
    assert "· on Docker" in client.get(f"/pods/shop/revisions/{sealed.version}/").content.decode()
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, engines="")
    page = client.get(f"/pods/shop/revisions/{sealed.version}/").content.decode()
    assert "Docker is not offered here any more: choose processes on this host." in page
