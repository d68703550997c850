"""A pod with a live revision, a draft and a history, made directly in the database."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.core.ids import new_id
from apps.deployments.models import STAGES, Deployment, Workload
from apps.pods import kinds
from apps.pods.models import HostName, Pod, Revision

APP: dict[str, Any] = {"type": "web", "source": {"repo": "https://git.example.com/web.git", "branch": "main"}}
HOSTILE = "<script>alert(1)</script>\"'&"


def spec(kind: str, **given: Any) -> dict[str, Any]:
    """The spec of a `kind` in its normal form."""
    made = kinds.get(kind).blank() | copy.deepcopy(given)
    return kinds.get(kind).Spec.model_validate(made).model_dump(mode="json")


def make_pod(team: Team, name: str = "") -> Pod:
    return Pod.objects.create(team=team, name=name or f"p{new_id()[-10:]}")


def seal(pod: Pod, version: int, resources: dict[str, tuple[str, dict[str, Any]]], *, live: bool = True) -> Revision:
    revision = pod.revisions.create(
        version=version, sealed_at=timezone.now(), summary=f"Change {version}", parent=pod.head
    )
    for resource, (kind, given) in resources.items():
        revision.resources.create(name=resource, kind=kind, spec=given)
    pod.head = revision
    if live:
        pod.live = revision
    pod.save()
    return revision


def deploy(revision: Revision, state: str = "ready", **fields: Any) -> Deployment:
    return Deployment.objects.create(
        pod=revision.pod, revision=revision, trigger="manual", state=state, started_at=timezone.now(), **fields
    )


def stages(deployment: Deployment, app: str, states: list[str]) -> None:
    now = timezone.now()
    for stage, state in zip(STAGES, states, strict=False):
        ended = now if state in ("passed", "failed") else None
        deployment.stages.create(stage=stage, app=app, state=state, started_at=now, finished_at=ended)


def serve(revision: Revision, app: str, **fields: Any) -> Workload:
    given = {"state": "healthy", "serving": True, "observed_at": timezone.now(), "fingerprint": "f"} | fields
    return Workload.objects.create(pod=revision.pod, revision=revision, app=app, **given)


def whole(host: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """One of each kind, tied together."""
    return {
        "data": ("Disk", spec("Disk", size=5)),
        "settings": ("Config", spec("Config", variables=[{"name": "GREETING", "value": "hello"}])),
        "web": ("App", spec("App", **APP, configs=["settings"], mounts=[{"path": "/data", "disk": "data"}])),
        "front": ("Route", spec("Route", hostname=host, rules=[{"path": "/", "app": "web"}])),
    }


@pytest.fixture
def empty_pod(team: Team) -> Pod:
    return make_pod(team)


@pytest.fixture
def live_pod(team: Team) -> Pod:
    """v1 is live: a route, an app with one healthy instance, a config and a disk."""
    pod = make_pod(team)
    host = f"{pod.name}.localhost"
    HostName.objects.create(pod=pod, host=host, route="front")
    revision = seal(pod, 1, whole(host))
    deploy(revision, finished_at=timezone.now(), switched_at=timezone.now())
    serve(revision, "web")
    return pod


@pytest.fixture
def alices(alice: User, client_of: Callable[..., Client]) -> Client:
    return client_of(alice)


@pytest.fixture
def bobs(bob: User, client_of: Callable[..., Client]) -> Client:
    return client_of(bob)


@pytest.fixture
def veras(vera: User, client_of: Callable[..., Client]) -> Client:
    return client_of(vera)
