"""Certificates requested from a real ACME server, through our nginx, and what happens when that does not go well."""

from __future__ import annotations

import dataclasses
import datetime
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from django.db import connections
from django.utils import timezone

from apps.certificates import following, issuing
from apps.certificates.models import Certificate
from apps.deployments import certify
from apps.deployments.desired import edge_state
from apps.pods.models import HostName
from apps.secretstore.vault import Vault
from tests.certificates.conftest import Door, needs_pebble
from tests.certificates.stand_ins import limiting
from tests.edge.conftest import wait_for
from tests.stack.components import processes_with
from tests.stack.pebble import Pebble

pytestmark = [needs_pebble, pytest.mark.django_db(transaction=True)]
Proven = Callable[[str], Certificate]


def files_beneath(path: Path) -> list[Path]:
    return [found for found in path.rglob("*") if found.is_file()]


def renew(row: Certificate) -> None:
    Certificate.objects.filter(pk=row.pk).update(next_at=timezone.now())
    certify.certify(row.pk)
    row.refresh_from_db()


def test_a_proven_domain_is_certified_and_served(
    door: Door, pebble: Pebble, proven: Proven, name: str, settings: Any, openbao: Vault
) -> None:
    row = proven(name)
    assert following.due() == [row.pk]
    door.stand.edge.apply(edge_state)
    assert "self-signed" in door.shown(name).subject.rfc4514_string()
    before = door.stand.edge.generation()
    certify.certify(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error, row.names) == ("ready", "", [name])
    wait_for(lambda: door.trusted(name, pebble.root_certificate()))
    assert door.shown(name).fingerprint(hashes.SHA256()).hex() == row.fingerprint
    assert door.stand.edge.generation() == before, "no reload for it"
    assert row.next_at == row.renew_at
    assert following.due() == []
    kept = openbao.read(row.path, row.version or 0)
    for path in files_beneath(door.stand.edge.layout.certificates):
        assert path.stat().st_mode & 0o777 == 0o600
    state = settings.BRAINPOD.state
    accounts = files_beneath(state / "certbot" / "accounts")
    assert any(path.name == "private_key.json" and path.stat().st_mode & 0o077 == 0 for path in accounts)
    assert (state / "certbot").stat().st_mode & 0o077 == 0
    secret = kept["key"].splitlines()[1]
    assert not [path for path in files_beneath(state) if secret in path.read_text(errors="replace")]
    assert {path.name for path in (state / "certbot").iterdir()} == {"accounts", "account.lock"}
    assert list((state / "run").iterdir()) == []


def test_the_default_stays_for_every_other_name(door: Door, pebble: Pebble, proven: Proven, name: str) -> None:
    row, other = proven(name), proven(f"other-{name}")
    certify.certify(row.pk)
    wait_for(lambda: door.trusted(name, pebble.root_certificate()))
    assert not door.trusted(other.host, pebble.root_certificate())
    assert not door.trusted(f"nobody.{name}", pebble.root_certificate())


def test_a_renewal_is_another_certificate_with_another_key(
    door: Door, pebble: Pebble, proven: Proven, name: str, openbao: Vault
) -> None:
    row = proven(name)
    certify.certify(row.pk)
    row.refresh_from_db()
    first, key = row.fingerprint, openbao.read(row.path, row.version or 0)["key"]
    generation = door.stand.edge.generation()
    renew(row)
    assert row.fingerprint != first
    assert openbao.read(row.path, row.version or 0)["key"] != key
    wait_for(lambda: door.shown(name).fingerprint(hashes.SHA256()).hex() == row.fingerprint)
    assert door.stand.edge.generation() == generation
    following.look()
    assert door.stand.edge.certificates() >= {row.kept}
    assert len([kept for kept in door.stand.edge.certificates() if kept.startswith(row.pk)]) == 1


def test_nothing_is_requested_before_it_is_due(door: Door, pebble: Pebble, proven: Proven, name: str) -> None:
    row = proven(name)
    certify.certify(row.pk)
    row.refresh_from_db()
    tried = row.tried_at
    certify.certify(row.pk)
    row.refresh_from_db()
    assert row.tried_at == tried
    third = row.not_before + 2 * (row.not_after - row.not_before) / 3
    assert row.next_at is not None
    assert third - (row.not_after - row.not_before) / 49 < row.next_at <= third


def test_a_failing_challenge_says_why_and_the_old_one_serves(
    door: Door, pebble: Pebble, proven: Proven, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, other = proven(name), proven(f"other-{name}")
    certify.certify(row.pk)
    row.refresh_from_db()
    first = row.fingerprint
    elsewhere = door.stand.root / "elsewhere"
    (elsewhere / ".well-known" / "acme-challenge").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(type(door.stand.edge), "challenges", lambda self: elsewhere)  # what nginx does not answer with
        renew(row)
    assert (row.state, row.error_code, row.failures, row.fingerprint) == ("failed", "acme_unauthorized", 1, first)
    assert "It said:" in row.error
    assert "A and AAAA" in row.hint
    assert "goes on serving" in row.alarm
    assert row.next_at is not None
    assert row.next_at > timezone.now()
    assert door.shown(name).fingerprint(hashes.SHA256()).hex() == first
    certify.certify(other.pk)
    other.refresh_from_db()
    assert other.state == "ready", "one bad name never blocks another"
    renew(row)
    assert (row.state, row.failures, row.alarm, row.error) == ("ready", 0, "", "")


def test_a_rate_limit_is_heeded(door: Door, pebble: Pebble, proven: Proven, name: str, settings: Any) -> None:
    row = proven(name)
    with limiting(pebble, "7200") as directory:
        settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, acme_url=directory)
        began = timezone.now()
        certify.certify(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error_code) == ("failed", "acme_rate_limited")
    assert "too many certificates already issued" in row.error
    assert row.next_at is not None
    assert row.next_at >= began + datetime.timedelta(seconds=7200)
    assert following.due() == []


def test_an_authority_that_is_away_is_asked_again(
    door: Door, pebble: Pebble, proven: Proven, name: str, settings: Any
) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, acme_url="https://localhost:1/dir")
    row = proven(name)
    certify.certify(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error_code) == ("failed", "acme_unreachable")
    assert row.alarm


def test_an_account_that_the_authority_forgot_is_made_anew(
    door: Door, pebble: Pebble, proven: Proven, name: str, settings: Any
) -> None:
    row = proven(name)
    certify.certify(row.pk)
    row.refresh_from_db()
    assert row.state == "ready"
    for path in files_beneath(settings.BRAINPOD.state / "certbot" / "accounts"):
        if path.name == "regr.json":
            path.write_text(path.read_text().replace("/my-account/", "/my-account/f"))
    renew(row)
    assert (row.state, row.error_code) == ("failed", "acme_account")
    renew(row)
    assert row.state == "ready"


def _issue(pk: str) -> None:
    connections.close_all()
    issuing.issue(pk, tell=lambda _: None)
    os._exit(0)


def test_a_worker_killed_in_the_middle_leaves_nothing_and_another_goes_on(
    door: Door, pebble: Pebble, proven: Proven, name: str, settings: Any
) -> None:
    row = proven(name)
    Certificate.objects.filter(pk=row.pk).update(by_hand=True)  # it waits for somebody, for as long as we like
    connections.close_all()
    worker = multiprocessing.get_context("fork").Process(target=_issue, args=(row.pk,))
    worker.start()
    try:

        def waits() -> bool:
            row.refresh_from_db()
            return row.awaits_records

        wait_for(waits, 120)
        assert not issuing.issue(row.pk, tell=lambda _: None), "somebody does already"
    finally:
        os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join()
    wait_for(lambda: not processes_with(f"{settings.BRAINPOD.state}/certbot/"))
    Certificate.objects.filter(pk=row.pk).update(by_hand=False)
    assert following.due() == [row.pk]
    certify.certify(row.pk)
    row.refresh_from_db()
    assert (row.state, row.records) == ("ready", [])
    issuing.sweep()
    assert {path.name for path in (settings.BRAINPOD.state / "certbot").iterdir()} == {"accounts", "account.lock"}


def test_a_name_given_up_meanwhile_ends_the_request(
    door: Door, pebble: Pebble, proven: Proven, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = proven(name)
    seen = issuing._pair

    def gone(request: issuing.Request) -> Any:
        HostName.objects.filter(host=name).delete()
        return seen(request)

    monkeypatch.setattr(issuing, "_pair", gone)
    assert not issuing.issue(row.pk, tell=lambda _: None)
    assert not Certificate.objects.filter(host=name).exists()


def test_from_request_to_serving(door: Door, pebble: Pebble, proven: Proven, name: str) -> None:
    """Five seconds is the aim on a machine with nothing else to do; here it only must not be minutes."""
    row = proven(name)
    door.stand.edge.apply(edge_state)
    began = time.monotonic()
    certify.certify(row.pk)
    wait_for(lambda: door.trusted(name, pebble.root_certificate()))
    assert time.monotonic() - began < 60


def test_a_wildcard_needs_a_zone(door: Door, pebble: Pebble) -> None:
    row = Certificate.objects.create(host="*.pods.test", next_at=timezone.now())
    certify.certify(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error_code) == ("failed", "acme_no_zone")
    assert "DNS zone" in row.error
