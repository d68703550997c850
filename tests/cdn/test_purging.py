"""Cloudflare is told what to forget: what is asked, what is tried again, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps import secretstore
from apps.accounts.models import Team, User
from apps.cdn import actions
from apps.cdn.models import CloudflareZone, path_of
from apps.cdn.purging import AT_ONCE, LONGEST_PAUSE, PAUSES, purge
from apps.core.errors import Invalid, PlatformError
from apps.deployments import purge as purges
from apps.pods import actions as pods
from apps.pods.models import Pod
from apps.secretstore.vault import Vault
from tests.cdn.stand_in import Cloudflare

pytestmark = pytest.mark.django_db
ZONE, TOKEN = "0123456789abcdef" * 2, "a-token-that-may-purge-it"


@pytest.fixture
def cloudflare(settings: Any) -> Iterator[Cloudflare]:
    stand_in = Cloudflare(ZONE, TOKEN)
    with stand_in.serving() as url:
        settings.BRAINPOD = replace(settings.BRAINPOD, cloudflare_url=url)
        yield stand_in


@pytest.fixture
def pod(openbao: Vault, monkeypatch: pytest.MonkeyPatch, team: Team, alice: User) -> Pod:
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    return pods.create_pod(team=team, name="shop", by=alice)


@pytest.fixture
def zone(pod: Pod, alice: User) -> CloudflareZone:
    return actions.connect(pod=pod, zone=ZONE, token=TOKEN, by=alice)


def purged(zone: CloudflareZone, hosts: list[str]) -> tuple[bool, list[float]]:
    """Whether it succeeded, and the seconds it waited between its tries."""
    waits: list[float] = []
    return purge(zone, hosts, tick=lambda: None, wait=waits.append), waits


def test_the_hosts_in_the_zone_are_purged(cloudflare: Cloudflare, zone: CloudflareZone) -> None:
    hosts = ["example.com", "www.example.com", "shop.apps.example.net", "badexample.com"]
    assert purged(zone, hosts) == (True, [])
    assert cloudflare.purged == [["example.com", "www.example.com"]]
    assert zone.result == "Cloudflare forgets what it kept of 2 hosts."


def test_a_token_that_may_only_purge_is_enough(cloudflare: Cloudflare, zone: CloudflareZone) -> None:
    cloudflare.name = ""
    assert purged(zone, ["www.example.com"])[0]
    assert cloudflare.purged == [["www.example.com"]]
    assert "www.example.com" in zone.result


def test_many_hosts_go_in_parts(cloudflare: Cloudflare, zone: CloudflareZone) -> None:
    hosts = [f"h{n}.example.com" for n in range(2 * AT_ONCE + 1)]
    assert purged(zone, hosts)[0]
    assert [len(part) for part in cloudflare.purged] == [AT_ONCE, AT_ONCE, 1]
    assert [host for part in cloudflare.purged for host in part] == hosts


def test_none_in_the_zone_is_said(cloudflare: Cloudflare, zone: CloudflareZone) -> None:
    assert purged(zone, ["shop.apps.example.net"])[0]
    assert cloudflare.purged == []
    assert "no host of the pod is in this zone" in zone.result


@pytest.mark.parametrize("status", [429, 500, 502])
def test_what_passes_by_is_tried_again(cloudflare: Cloudflare, zone: CloudflareZone, status: int) -> None:
    cloudflare.refusals = [(status, "Later", {})] * 2
    assert purged(zone, ["www.example.com"]) == (True, list(PAUSES[:2]))
    assert cloudflare.purged == [["www.example.com"]]


def test_it_waits_as_long_as_it_is_told(cloudflare: Cloudflare, zone: CloudflareZone) -> None:
    cloudflare.refusals = [(429, "Later", {"Retry-After": "7"})]
    assert purged(zone, ["www.example.com"]) == (True, [7.0])


def test_it_does_not_wait_for_ever(cloudflare: Cloudflare, zone: CloudflareZone) -> None:
    cloudflare.refusals = [(429, "Later", {"Retry-After": str(int(LONGEST_PAUSE) + 1)})]
    assert purged(zone, ["www.example.com"]) == (False, [])
    cloudflare.refusals = [(503, "Away", {})] * 10
    assert purged(zone, ["www.example.com"]) == (False, list(PAUSES))
    assert "Away" in zone.result


def test_a_refusal_is_said_and_not_repeated(cloudflare: Cloudflare, pod: Pod, alice: User) -> None:
    zone = actions.connect(pod=pod, zone=ZONE, token="another-token-of-somebody", by=alice)
    assert purged(zone, ["www.example.com"]) == (False, [])
    zone.refresh_from_db()
    assert "Invalid API Token" in zone.result
    assert "another-token" not in zone.result
    assert (zone.succeeded, zone.purged_at is None) == (False, False)


def test_one_that_is_away_is_said(settings: Any, zone: CloudflareZone) -> None:
    settings.BRAINPOD = replace(settings.BRAINPOD, cloudflare_url="http://127.0.0.1:9")
    assert purged(zone, ["www.example.com"]) == (False, list(PAUSES))
    assert "does not answer" in zone.result


def test_what_is_not_a_zone_or_a_token_is_refused(pod: Pod, alice: User) -> None:
    with pytest.raises(Invalid) as error:
        actions.connect(pod=pod, zone="../../accounts", token="no token\r\nX-Evil: 1", by=alice)
    assert [detail.path for detail in error.value.details] == ["zone", "token"]
    with pytest.raises(Invalid) as error:
        actions.connect(pod=pod, zone=ZONE, token="", by=alice)
    assert [detail.path for detail in error.value.details] == ["token"]
    assert not CloudflareZone.objects.exists()


def test_the_token_stays_when_only_the_zone_changes_and_goes_when_it_is_forgotten(
    openbao: Vault, zone: CloudflareZone, pod: Pod, alice: User
) -> None:
    other = actions.connect(pod=pod, zone="f" * 32, token="", by=alice)
    assert (other.pk, other.zone, other.version) == (zone.pk, "f" * 32, zone.version)
    actions.disconnect(pod=pod, by=alice)
    with pytest.raises(PlatformError):
        openbao.read(path_of(pod.pk), zone.version)


def test_the_page_sets_purges_and_forgets(cloudflare: Cloudflare, pod: Pod, alice: User, client: Client) -> None:
    client.force_login(alice)
    at = f"/pods/{pod.name}/cloudflare/"
    refused = client.post(at, {"zone": "nothing", "token": TOKEN})
    assert refused.status_code == 422
    assert b"32 hex digits" in refused.content
    assert TOKEN.encode() not in refused.content
    assert client.post(at, {"zone": ZONE, "token": TOKEN}).status_code == 302
    pod.hosts.create(host="www.example.com", custom=True, state="verified", proof="txt", verified_at=timezone.now())
    purges.now(pod.pk)
    assert cloudflare.purged == [["www.example.com"]]
    shown = client.get(f"/pods/{pod.name}/settings/").content
    assert b"www.example.com" in shown
    assert TOKEN.encode() not in shown
    assert client.post(f"{at}purges/").status_code == 302
    assert client.delete(at).status_code in (200, 302)
    assert not CloudflareZone.objects.exists()
    assert client.post(f"{at}purges/").status_code == 404
