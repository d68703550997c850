"""Builders that keep images where nobody runs them: given nothing, unless there is a registry."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from apps import artifacts, engines
from apps.accounts.models import Team
from apps.artifacts.oci import Registry
from apps.builds import fleet
from apps.builds.models import Builder, Runtime
from apps.core import holders
from apps.core.errors import Unavailable
from apps.core.ids import new_id
from apps.dashboard import waiting
from apps.deployments import actions, dispatch
from apps.deployments.models import Deployment
from apps.pods import actions as pods
from tests.stack.docker import DockerDaemon

pytestmark = pytest.mark.django_db
APP = {"source": {"repo": "https://git.example.com/team/shop.git"}, "instance": ".25x"}


@pytest.fixture(autouse=True)
def docker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine runs images, and this process builds nothing."""
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, builds=False, docker_host="unix:///nowhere.sock")
    monkeypatch.setattr(engines, "engine", lambda: SimpleNamespace(artifacts=frozenset({"image"})))


def builder(name: str, **fields: Any) -> Builder:
    given = {"region": "local", "capacity": 1, "seen_at": timezone.now(), "holder": holders.me(), **fields}
    return Builder.objects.create(name=name, **given)


def deployment(team: Team) -> Deployment:
    pod = pods.create_pod(team=team, name=f"p-{new_id()[-8:]}", by=None)
    pods.save_resource(pod=pod, kind="App", name="web", spec=APP, by=None, create=True)
    pod.refresh_from_db()
    return actions.start(pod=pod, revision=pods.seal(pod=pod, summary="", by=None), trigger="manual", by=None)


def given(row: Deployment) -> str:
    dispatch.assign()
    row.refresh_from_db()
    return row.builder.name if row.builder else row.waits_for


def test_what_only_another_daemon_would_have_is_not_built_there(team: Team) -> None:
    Runtime.objects.create(pk=1, daemon="A", seen_at=timezone.now())
    builder("elsewhere", daemon="B")
    builder("unknown", daemon="")
    row = deployment(team)
    assert given(row) == "daemon"
    assert "BRAINPOD_REGISTRY" in waiting.words(row)
    assert dispatch.ahead(row) == 0
    builder("same", daemon="A")
    assert given(row) == "same"


def test_the_platforms_own_builder_has_its_engines_daemon(team: Team) -> None:
    builder("elsewhere", daemon="B", capacity=9)
    builder("own", dedicated=False)
    assert given(deployment(team)) == "own"


@pytest.mark.parametrize("why", ["registry", "bundles"])
def test_where_images_travel_or_none_are_run_it_makes_no_difference(
    team: Team, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "registry":
        monkeypatch.setattr(artifacts, "registry", lambda: Registry("registry.example.org/brainpod"))
    else:
        monkeypatch.setattr(engines, "engine", lambda: SimpleNamespace(artifacts=frozenset({"bundle"})))
    builder("elsewhere", daemon="B")
    assert given(deployment(team)) == "elsewhere"
    fleet.note_runtime()
    assert not Runtime.objects.exists()
    assert fleet.announce(dedicated=True).daemon == ""


def test_builders_and_the_platform_say_which_daemon_they_have(settings: Any, docker_daemon: DockerDaemon) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, docker_host=docker_daemon.host)
    known = docker_daemon.client().info()["ID"]
    assert known
    assert fleet.announce(dedicated=True).daemon == known
    fleet.note_runtime()
    assert [row.daemon for row in Runtime.objects.all()] == [known]
    seen = Runtime.objects.get().seen_at
    fleet.note_runtime()
    assert Runtime.objects.get().seen_at == seen, "it was asked a moment ago"


def test_a_daemon_that_is_away_says_nothing() -> None:
    assert fleet.announce(dedicated=True).daemon == ""
    with pytest.raises(Unavailable):
        fleet.note_runtime()
