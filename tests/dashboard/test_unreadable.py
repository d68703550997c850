"""Pages of a pod whose resources nobody could save today: what an older version left, or an operator."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.core.errors import Invalid
from apps.deployments import actions as deployments
from apps.pods import actions, kinds
from apps.pods.models import Pod
from tests.dashboard.access_matrix import World, build_world, routes

pytestmark = pytest.mark.django_db

NAMES = {kind.name: f"old-{kind.name.lower()}" for kind in kinds.every()}
NAMES |= {"App": "web", "Disk": "data", "Config": "settings", "PostgresDB": "db"}  # as the matrix's rows call them
SPECS: dict[str, dict[str, Any]] = {
    "empty": {},
    "other fields": {"source": {"vcs": "svn"}, "rules": [{}], "disk": 3, "secrets": [], "size": "large", "was": "here"},
}


def break_everything(pod: Pod, spec: dict[str, Any]) -> None:
    """One resource of each kind, with `spec`, in what is live; and those that can change in an open draft."""
    draft = pod.revisions.create(parent=pod.live)
    for revision in (pod.live, draft):
        assert revision is not None
        revision.resources.all().delete()
        for kind, name in NAMES.items():
            revision.resources.create(kind=kind, name=name, spec=spec)
    draft.resources.filter(kind="Valkey").delete()
    draft.resources.create(kind="App", name="anew", spec=spec)


@pytest.fixture(params=SPECS)
def world(request: pytest.FixtureRequest) -> World:
    world = build_world()
    break_everything(world.pod, SPECS[request.param])
    return world


@pytest.fixture
def owner(world: World) -> User:
    found = world.people["owner"]
    assert found is not None
    return found


@pytest.fixture
def client(owner: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(owner)
    return client


def test_every_page_opens(world: World, client: Client) -> None:
    found = {route.address(world) for route in routes() if route.rule and route.rule.kind in ("team", "pod")}
    parts = ("overview", "metrics", "requests", "configuration", "deployments")
    found |= {f"{_of(world, name)}?tab={part}" for name in NAMES.values() for part in parts}
    found |= {"/", reverse("revisions", args=[world.pod.name]) + "?a=1&b=1"}
    failed = {address: status for address in found if (status := client.get(address).status_code) >= 500}
    assert not failed


def _of(world: World, name: str) -> str:
    return reverse("resource", args=[world.pod.name, name])


def test_pages_say_what_does_not_hold(world: World, client: Client) -> None:
    overview = client.get(_of(world, "web")).content.decode()
    assert "cannot be deployed as it is stored" in overview
    assert "<code>source.repo</code> is required" in overview or "<code>was</code> is not a field" in overview
    assert "cannot be deployed as it is" in client.get(reverse("pod", args=[world.pod.name])).content.decode()
    form = client.get(f"{_of(world, 'web')}?tab=configuration").content.decode()
    assert 'id="field_source.repo-errors"' in form or "not a field of this resource" in form
    review = client.get(reverse("draft", args=[world.pod.name])).content.decode()
    assert "web.source" in review


def test_it_is_not_deployed_and_can_be_mended_or_taken_out(world: World, owner: User) -> None:
    pod = world.pod
    live = pod.live
    assert live is not None
    with pytest.raises(Invalid, match="web"):
        deployments.deploy_revision(pod=pod, revision=live, by=owner)
    with pytest.raises(Invalid, match="web"):
        actions.seal(pod=pod, summary="", by=owner)
    repo = {"repo": "https://git.example.com/a/b.git"}
    mended = {"App": {"source": repo}, "Route": {"rules": [{"path": "/", "app": "web"}]}}
    for kind, name in NAMES.items():
        if kind in ("App", "Route", "Config", "Disk"):
            actions.save_resource(pod=pod, kind=kind, name=name, spec=mended.get(kind, {}), by=owner, create=False)
        elif kind != "Valkey":
            actions.delete_resource(pod=pod, name=name, by=owner)
    actions.delete_resource(pod=pod, name="anew", by=owner)
    assert actions.seal(pod=pod, summary="mended", by=owner).version == 2
