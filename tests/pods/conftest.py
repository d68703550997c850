"""A pod of team "home", and specs to fill it with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import Team, User
from apps.pods import actions
from apps.pods.models import Pod, Resource
from tests.pods.specs import APP, RULES


@pytest.fixture
def pod(team: Team, alice: User) -> Pod:
    return actions.create_pod(team=team, name="shop", by=alice)


@pytest.fixture
def save(pod: Pod, alice: User) -> Callable[..., Resource]:
    """`save("App", "web", {...}, create=False, secrets=…)`: a resource of the pod's draft."""

    def make(kind: str, name: str, spec: dict[str, Any], *, create: bool = True, **more: Any) -> Resource:
        return actions.save_resource(pod=pod, kind=kind, name=name, spec=spec, by=alice, create=create, **more)

    return make


@pytest.fixture
def shop(pod: Pod, save: Callable[..., Resource]) -> Pod:
    """The pod with an app `web` and a route `front` in its draft."""
    save("App", "web", APP)
    save("Route", "front", RULES)
    return pod


@pytest.fixture
def live(shop: Pod, alice: User) -> Pod:
    """The same, sealed and live as v1."""
    return go_live(shop, alice)


def go_live(pod: Pod, by: User) -> Pod:
    """Seal the draft and make it live, as a deployment does at its end."""
    revision = actions.seal(pod=pod, summary="", by=by)
    Pod.objects.filter(pk=pod.pk).update(live=revision, head=revision)
    pod.refresh_from_db()
    return pod
