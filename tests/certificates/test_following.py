"""Which names have certificates, what people ask of them, and what comes back when it was lost."""

from __future__ import annotations

import dataclasses
import datetime
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from django.utils import timezone

from apps.accounts.models import User
from apps.certificates import actions, following, keeping
from apps.certificates.models import Certificate
from apps.core.errors import Conflict, Invalid, PlatformError
from apps.core.leases import acquire
from apps.deployments import certify
from apps.deployments.desired import edge_state
from apps.edge.certificates import self_signed
from apps.pods.models import HostName, Pod
from apps.secretstore.vault import Vault
from tests.certificates.conftest import Door, make_zone

pytestmark = pytest.mark.django_db(transaction=True)
Proven = Callable[[str], Certificate]


def upload(row: Certificate, by: User) -> str:
    """A certificate of one's own for it; its subject's fingerprint as the row has it."""
    chain, key = self_signed([row.host])
    certify.upload(certificate=row, chain=chain, key=key, by=by)
    row.refresh_from_db()
    return row.fingerprint


def test_only_proven_domains_are_followed(door: Door, pod: Pod, proven: Proven, name: str) -> None:
    HostName.objects.create(host=f"claimed-{name}", pod=pod, custom=True, state="pending")
    HostName.objects.create(host=f"{pod.name}.pods.test", pod=pod, route="site")
    proven(name)
    assert set(Certificate.objects.values_list("host", flat=True)) == {name}
    following.follow()
    assert Certificate.objects.count() == 1
    HostName.objects.filter(host=name).update(state="pending", verified_at=None)
    following.follow()
    assert not Certificate.objects.exists()


def test_a_name_in_other_hands_begins_with_nothing(
    door: Door, pod: Pod, proven: Proven, name: str, alice: User, team: Any, openbao: Vault
) -> None:
    row = proven(name)
    upload(row, alice)
    other = Pod.objects.create(team=team, name=f"other-{pod.name}", created_by=alice)
    HostName.objects.filter(host=name).update(state="pending", verified_at=None)
    HostName.objects.create(host=name, pod=other, custom=True, state="verified", verified_at=timezone.now())
    following.follow()
    now = Certificate.objects.get()
    assert (now.hostname.pod if now.hostname else None) == other
    assert (now.version, now.kind) == (None, "acme")
    with pytest.raises(PlatformError):
        openbao.read(row.path, row.version or 0)
    following.look()
    assert row.kept not in door.stand.edge.certificates()


def test_a_pod_that_is_deleted_leaves_nothing(
    door: Door, pod: Pod, proven: Proven, name: str, alice: User, openbao: Vault
) -> None:
    row = proven(name)
    upload(row, alice)
    HostName.objects.filter(pod=pod).delete()
    assert not Certificate.objects.exists()
    following.look()
    assert row.kept not in door.stand.edge.certificates()
    with pytest.raises(PlatformError):
        openbao.read(row.path, row.version or 0)


def test_the_platforms_own_names(door: Door, settings: Any, openbao: Vault) -> None:
    config = settings.BRAINPOD

    def names(**changes: str) -> list[str]:
        settings.BRAINPOD = dataclasses.replace(config, **changes)
        return following.own_names()

    assert names(dashboard_host="localhost") == []
    assert names(dashboard_host="192.0.2.1") == []
    assert names(dashboard_host="panel.test") == ["panel.test"]
    assert names(dashboard_host="panel.test", acme="off") == []
    make_zone(openbao, zone="pods.test")
    assert names(dashboard_host="panel.test") == ["*.pods.test", "panel.test"]
    assert names(dashboard_host="panel.pods.test") == ["*.pods.test"]
    assert names(dashboard_host="pods.test") == ["*.pods.test"]
    assert names(dashboard_host="a.b.pods.test") == ["*.pods.test", "a.b.pods.test"]


def test_an_uploaded_one_serves_and_is_not_renewed(
    door: Door, proven: Proven, name: str, alice: User, openbao: Vault
) -> None:
    row = proven(name)
    upload(row, alice)
    assert (row.kind, row.state, row.issuer, row.next_at) == ("own", "ready", "self-signed", None)
    assert following.due() == []
    with pytest.raises(Conflict) as caught:
        actions.request(certificate=row, by=alice)
    assert caught.value.code == "certificate_own"
    door.stand.edge.apply(edge_state)
    shown = door.shown(name)
    assert shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    ) == [name]
    certify.take_away(certificate=row, by=alice)
    row.refresh_from_db()
    assert (row.kind, row.version, following.due()) == ("acme", None, [row.pk])
    with pytest.raises(Conflict):
        certify.take_away(certificate=row, by=alice)


def test_a_refused_upload_changes_nothing(door: Door, proven: Proven, name: str, alice: User) -> None:
    row = proven(name)
    first = upload(row, alice)
    with pytest.raises(Invalid):
        certify.upload(certificate=row, chain=self_signed([name])[0], key=self_signed([name])[1], by=alice)
    row.refresh_from_db()
    assert row.fingerprint == first


def test_an_upload_ends_a_request_under_way(door: Door, proven: Proven, name: str, alice: User) -> None:
    row = proven(name)
    lease = acquire(row)
    assert lease is not None
    upload(row, alice)
    assert not Certificate.objects.filter(pk=row.pk, **lease.where).exists()


def test_what_nginx_lost_comes_back(door: Door, proven: Proven, name: str, alice: User) -> None:
    row = proven(name)
    upload(row, alice)
    shutil.rmtree(door.stand.edge.layout.certificates / row.kept)
    door.stand.edge.apply(edge_state)
    assert "self-signed" in door.shown(name).subject.rfc4514_string(), "the default one meanwhile"
    assert following.look()
    assert row.kept in door.stand.edge.certificates()
    assert not following.look()


def test_what_the_store_lost_is_requested_anew(
    door: Door, proven: Proven, name: str, alice: User, openbao: Vault
) -> None:
    row = proven(name)
    upload(row, alice)
    Certificate.objects.update(kind="acme")
    openbao.delete(row.path)
    shutil.rmtree(door.stand.edge.layout.certificates / row.kept)
    following.look()
    row.refresh_from_db()
    assert row.version is None
    assert following.due() == [row.pk]


def test_old_versions_go_and_what_was_just_written_stays(door: Door, proven: Proven, name: str, alice: User) -> None:
    row = proven(name)
    upload(row, alice)
    old = row.kept
    upload(row, alice)
    chain, key = self_signed([name])
    newest = f"{row.pk}-{(row.version or 0) + 1}"
    door.stand.edge.keep_certificate(newest, chain, key)
    keeping.tidy()
    there = door.stand.edge.certificates()
    assert old not in there
    assert {row.kept, newest, "self-signed"} <= there


def test_nothing_is_requested_where_that_is_off(
    door: Door, proven: Proven, name: str, settings: Any, alice: User
) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, acme="off")
    row = proven(name)
    assert (row.next_at, following.due()) == (None, [])
    with pytest.raises(Conflict) as caught:
        certify.request(certificate=row, by=alice)
    assert caught.value.code == "acme_off"


def test_a_rate_limit_is_not_pushed_against(door: Door, proven: Proven, name: str, alice: User) -> None:
    row = proven(name)
    later = timezone.now() + datetime.timedelta(hours=2)
    Certificate.objects.update(error_code="acme_rate_limited", state="failed", next_at=later)
    row.refresh_from_db()
    with pytest.raises(Conflict, match="no request for this name yet"):
        certify.request(certificate=row, by=alice)


def test_one_s_own_that_ends_soon_is_an_alarm(door: Door, proven: Proven, name: str, alice: User) -> None:
    row = proven(name)
    upload(row, alice)
    assert row.alarm == ""
    row.not_after = timezone.now() + datetime.timedelta(days=5)
    assert "ends in 4 days" in row.alarm
    row.not_after = timezone.now() - datetime.timedelta(days=5)
    assert "expired" in row.alarm
