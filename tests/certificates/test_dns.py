"""Names proven by DNS records: signed updates, Cloudflare's API, somebody's own hands; and what they refuse."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from apps.accounts.models import User
from apps.certificates import following, issuing
from apps.certificates.dns import cloudflare, rfc2136
from apps.certificates.models import Certificate, zone_of
from apps.core.errors import Conflict, UserError
from apps.deployments import certify
from apps.secretstore.vault import Vault
from tests.certificates.conftest import KEY, KEY_NAME, ZONE, Door, make_zone, needs_pebble
from tests.certificates.dns_server import DnsServer
from tests.certificates.stand_ins import Cloudflare
from tests.edge.conftest import wait_for
from tests.stack.pebble import Pebble

pytestmark = pytest.mark.django_db(transaction=True)
Proven = Callable[[str], Certificate]


@needs_pebble
def test_a_wildcard_by_signed_updates(
    door: Door, pebble: Pebble, openbao: Vault, zone: DnsServer, settings: Any
) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, domain=ZONE, dashboard_host=f"panel.{ZONE}")
    make_zone(openbao, server=f"127.0.0.1:{zone.port}")
    before = zone.updates
    following.follow()
    row = Certificate.objects.get()
    assert row.host == f"*.{ZONE}", "it covers the dashboard's name too"
    certify.certify(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error, sorted(row.names)) == ("ready", "", sorted([f"*.{ZONE}", ZONE]))
    assert zone.updates == before + 4, "two records, written and removed"
    assert not any(zone.texts.values())
    wait_for(lambda: door.trusted(f"anything.{ZONE}", pebble.root_certificate()))


@needs_pebble
def test_a_domain_in_a_zone_of_cloudflare(
    door: Door, pebble: Pebble, openbao: Vault, zone: DnsServer, proven: Proven, settings: Any
) -> None:
    api = Cloudflare(zone, "good token")
    with api.serving() as address:
        settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, cloudflare_url=address)
        make_zone(openbao, provider="cloudflare", secret="good token")
        row = proven(f"shop.{ZONE}")
        certify.certify(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error) == ("ready", "")
    assert api.records == {}


@needs_pebble
def test_a_record_written_by_hand(
    door: Door, pebble: Pebble, zone: DnsServer, proven: Proven, name: str, alice: User
) -> None:
    row = proven(name)
    certify.request(certificate=row, by=alice, by_hand=True)
    worker = threading.Thread(target=_issue, args=(row.pk,))
    worker.start()
    try:

        def shown() -> bool:
            row.refresh_from_db()
            return row.awaits_records

        wait_for(shown, 120)
        record = row.records[0]
        assert record["name"] == f"_acme-challenge.{name}"
        zone.texts[f"{record['name']}."] = {record["value"]}
        with pytest.raises(Conflict):
            certify.confirm(certificate=row, count=2, by=alice)
        certify.confirm(certificate=row, count=1, by=alice)
    finally:
        worker.join(120)
        zone.texts.pop(f"_acme-challenge.{name}.", None)
    row.refresh_from_db()
    assert (row.state, row.error, row.records) == ("ready", "", [])
    assert row.next_at is not None


def _issue(pk: str) -> None:
    try:
        issuing.issue(pk, tell=lambda _: None)
    finally:
        connections.close_all()


@needs_pebble
def test_nobody_confirms(
    door: Door, pebble: Pebble, proven: Proven, name: str, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing, "BY_HAND_SECONDS", 0.1)
    row = proven(name)
    certify.request(certificate=row, by=alice, by_hand=True)
    certify.certify(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error_code, row.next_at, row.records) == ("failed", "acme_unconfirmed", None, [])


@needs_pebble
def test_a_refused_update_ends_the_request_at_once(
    door: Door, pebble: Pebble, openbao: Vault, zone: DnsServer, proven: Proven
) -> None:
    make_zone(openbao, server=f"127.0.0.1:{zone.port}", secret="d3Jvbmcga2V5")
    row = proven(f"refused.{ZONE}")
    certify.certify(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error_code) == ("failed", "acme_dns_provider")
    assert ZONE in row.error


def test_updates_are_signed(zone: DnsServer) -> None:
    good = rfc2136.Server("127.0.0.1", zone.port, ZONE, KEY_NAME, "hmac-sha256", KEY)
    good.present(f"_acme-challenge.x.{ZONE}", "one")
    good.present(f"_acme-challenge.x.{ZONE}", "two")
    assert zone.texts[f"_acme-challenge.x.{ZONE}."] == {"one", "two"}
    good.remove(f"_acme-challenge.x.{ZONE}", "one")
    assert zone.texts[f"_acme-challenge.x.{ZONE}."] == {"two"}
    good.remove(f"_acme-challenge.x.{ZONE}", "two")
    for wrong in (
        dataclasses.replace(good, secret="d3Jvbmcga2V5"),
        dataclasses.replace(good, key_name="another."),
        dataclasses.replace(good, secret="no base64!"),
        dataclasses.replace(good, zone="other.test"),
        dataclasses.replace(good, port=1),
    ):
        with pytest.raises(UserError) as caught:
            wrong.present(f"_acme-challenge.y.{ZONE}", "three")
        assert caught.value.code == "acme_dns_provider"
        assert wrong.secret not in str(caught.value)
    assert f"_acme-challenge.y.{ZONE}." not in zone.texts


def test_cloudflare_says_what_is_wrong(zone: DnsServer) -> None:
    with Cloudflare(zone, "good token").serving() as address:
        for token, name, words in (
            ("bad token", ZONE, "Invalid API Token"),
            ("good token", "else.test", "no such zone"),
        ):
            with pytest.raises(UserError, match=words) as caught:
                cloudflare.Cloudflare(address, name, token).present(f"_acme-challenge.{name}", "v")
            assert token not in str(caught.value)
    with pytest.raises(UserError, match="does not answer"):
        cloudflare.Cloudflare("http://127.0.0.1:1", ZONE, "t").remove(f"_acme-challenge.{ZONE}", "v")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("[2001:db8::1]:54", ("2001:db8::1", 54)),
        ("2001:db8::1", ("2001:db8::1", 53)),
    ],
)
def test_addresses_of_servers(text: str, found: tuple[str, int]) -> None:
    assert rfc2136.address_of(text) == found


@pytest.mark.parametrize("text", ["", "ns.example.org", "192.0.2.1:0", "192.0.2.1:x", "[::1", "1.2.3.4:99999"])
def test_names_are_no_addresses_of_servers(text: str) -> None:
    with pytest.raises(ValueError):
        rfc2136.address_of(text)


def test_the_closest_zone_is_the_one(openbao: Vault) -> None:
    outer = make_zone(openbao)
    inner = make_zone(openbao, zone=f"inner.{ZONE}")
    assert zone_of(f"a.b.inner.{ZONE}") == inner
    assert zone_of(f"*.{ZONE}") == outer
    assert zone_of(f"x{ZONE}") is None
    assert zone_of("other.test") is None


def test_the_hand_waits_for_one_at_a_time(openbao: Vault) -> None:
    now = timezone.now()
    rows = [Certificate.objects.create(host=f"h{n}.test", by_hand=True, next_at=now) for n in range(2)]
    first = issuing.acquire(rows[0])
    assert first is not None
    assert not issuing._room(rows[1])
    first.release()
    assert issuing._room(rows[1])
