"""Stop, start and restart from the pages: who may, what is said, and how the states look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.dashboard.pod_cards import cards
from apps.deployments import lifecycle
from apps.deployments.models import AppControl, AppEvent
from apps.pods.models import Pod, Revision
from tests.dashboard.pages.conftest import APP, make_pod, seal, serve, spec
from tests.people import join, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(team: Team) -> Revision:
    return seal(make_pod(team), 1, {"web": ("App", spec("App", **APP, instance="1x", sleepAfter=10))})


def press(client: Client, pod: Pod, action: str, app: str = "web") -> Any:
    return client.post(reverse("app-lifecycle", args=[pod.name, app]), {"action": action}, follow=True)


def test_the_buttons_write_wishes_and_the_page_says_who(
    shop: Revision, alice: User, client_of: Callable[..., Client]
) -> None:
    client = client_of(alice)
    page = press(client, shop.pod, "stop").content.decode()
    control = AppControl.objects.get()
    assert (control.stopped_by, control.due) == (alice, True)
    assert f"Stopped by {alice}" in " ".join(page.split())
    assert "web is being stopped." in page
    assert 'data-state="stopped"' in page
    page = press(client, shop.pod, "start").content.decode()
    assert "asleep after 10 min without a request" in page
    assert press(client, shop.pod, "restart").status_code == 200
    control.refresh_from_db()
    assert (control.stopped_at, control.generation, control.version) == (None, 1, 3)
    kinds = list(AppEvent.objects.order_by("id").values_list("kind", "actor"))
    assert kinds == [(kind, alice.pk) for kind in ("stopped", "started", "restarted")]
    assert not shop.pod.deployments.exists()


def test_what_means_nothing_now_is_refused(shop: Revision, alice: User, client_of: Callable[..., Client]) -> None:
    client = client_of(alice)
    assert press(client, shop.pod, "start").status_code == 409
    assert press(client, shop.pod, "explode").status_code == 422
    assert press(client, shop.pod, "stop", app="other").status_code == 404
    press(client, shop.pod, "stop")
    assert press(client, shop.pod, "stop").status_code == 409
    assert AppControl.objects.get().version == 1


def test_a_viewer_sees_the_state_and_no_button(
    shop: Revision, team: Team, alice: User, client_of: Callable[..., Client]
) -> None:
    lifecycle.stop(pod=shop.pod, app="web", by=alice)
    client = client_of(join(team, make_user("onlooker"), Role.VIEWER))
    page = client.get(reverse("resource", args=[shop.pod.name, "web"])).content.decode()
    assert "It stays so" in page
    assert "lifecycle" not in page
    assert press(client, shop.pod, "start").status_code == 403
    assert client.post(reverse("pod-lifecycle", args=[shop.pod.name]), {"action": "start"}).status_code == 403


def test_all_apps_at_once(shop: Revision, alice: User, client_of: Callable[..., Client]) -> None:
    client = client_of(alice)
    asked = reverse("pod-lifecycle", args=[shop.pod.name])
    assert "web is being stopped." in client.post(asked, {"action": "stop"}, follow=True).content.decode()
    assert client.post(asked, {"action": "stop"}).status_code == 409


@pytest.mark.parametrize(("field", "word"), [("stopped_at", "stopped"), ("asleep_since", "asleep")])
def test_the_pod_says_so_where_nothing_runs(
    shop: Revision, alice: User, client_of: Callable[..., Client], field: str, word: str
) -> None:
    AppControl.objects.create(pod=shop.pod, app="web", **{field: timezone.now()})
    page = client_of(alice).get(reverse("pod", args=[shop.pod.name])).content.decode()
    assert page.count(f'data-state="{word}"') >= 2, "the bar and the map"
    assert [card.state for card in cards(alice)] == [word]
    serve(shop, "another")
    assert [card.state for card in cards(alice)] == ["live"]


def test_a_static_site_has_no_such_buttons(team: Team, alice: User, client_of: Callable[..., Client]) -> None:
    site = seal(make_pod(team), 1, {"site": ("App", spec("App", **(APP | {"type": "static"})))})
    page = client_of(alice).get(reverse("resource", args=[site.pod.name, "site"])).content.decode()
    assert "lifecycle" not in page
    assert press(client_of(alice), site.pod, "stop", app="site").status_code == 409
