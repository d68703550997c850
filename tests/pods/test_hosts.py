"""Host names: one owner each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from django.conf import settings

from apps.accounts.models import Team, User
from apps.core.errors import Conflict, Invalid
from apps.pods import actions
from apps.pods.models import Pod, Resource
from tests.pods.conftest import go_live
from tests.pods.specs import RULES

pytestmark = pytest.mark.django_db
DOMAIN = settings.BRAINPOD.domain


def test_the_first_route_has_the_pods_own_host(pod: Pod, save: Callable[..., Resource]) -> None:
    assert save("Route", "front", RULES).spec["hostname"] == f"shop.{DOMAIN}"
    assert save("Route", "admin", RULES).spec["hostname"] == f"admin-shop.{DOMAIN}"
    assert (
        save("Route", "front", RULES | {"hostname": "evil.example"}, create=False).spec["hostname"] == f"shop.{DOMAIN}"
    )


def test_a_route_cannot_take_the_host_of_a_pod(pod: Pod, save: Callable[..., Resource], charlie: User) -> None:
    actions.create_pod(team=Team.objects.of(charlie).get(), name="admin-shop", by=charlie)
    save("Route", "front", RULES)
    with pytest.raises(Conflict, match=rf"admin-shop\.{DOMAIN} is taken") as caught:
        save("Route", "admin", RULES)
    assert caught.value.code == "host_taken"
    assert pod.draft
    assert set(pod.draft.snapshot()) == {"front"}


def test_a_pod_cannot_take_the_host_of_a_route(pod: Pod, save: Callable[..., Resource], charlie: User) -> None:
    save("Route", "front", RULES)
    save("Route", "admin", RULES)
    with pytest.raises(Conflict) as caught:
        actions.create_pod(team=Team.objects.of(charlie).get(), name="admin-shop", by=charlie)
    assert caught.value.code == "host_taken"
    assert Pod.objects.count() == 1


def test_the_dashboards_host_is_nobodys(team: Team, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "BRAINPOD", dataclasses.replace(settings.BRAINPOD, dashboard_host=f"Panel.{DOMAIN}"))
    with pytest.raises(Conflict) as caught:
        actions.create_pod(team=team, name="panel", by=alice)
    assert caught.value.code == "host_taken"


def test_a_host_too_long_for_a_label(pod: Pod, save: Callable[..., Resource]) -> None:
    save("Route", "front", RULES)
    with pytest.raises(Invalid, match="at most 58 characters"):
        save("Route", "a" * 60, RULES)


def test_hosts_of_discarded_routes_are_free_again(pod: Pod, save: Callable[..., Resource], alice: User) -> None:
    save("Route", "front", RULES)
    save("Route", "admin", RULES)
    actions.discard_draft(pod=pod, by=alice)
    assert list(pod.hosts.values_list("host", "route")) == [(f"shop.{DOMAIN}", "")]
    assert save("Route", "other", RULES).spec["hostname"] == f"shop.{DOMAIN}"


def test_hosts_of_sealed_routes_stay_for_a_rollback(live: Pod, alice: User) -> None:
    actions.delete_resource(pod=live, name="front", by=alice)
    go_live(live, alice)
    assert live.hosts.get().route == "front"
