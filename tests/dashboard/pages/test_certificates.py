"""The certificates of a route and the page of one: every state in words, what can be asked, and the alarms."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps import edge, secretstore
from apps.accounts.models import User
from apps.certificates.models import Certificate, State
from apps.core.leases import acquire
from apps.deployments import certify
from apps.edge.certificates import self_signed
from apps.edge.nginx import NginxEdge
from apps.pods.models import HostName, Pod
from apps.secretstore.vault import Vault
from tests.edge.conftest import prepared

pytestmark = pytest.mark.django_db
HOST = "www.example.com"
DAY = datetime.timedelta(days=1)


@pytest.fixture
def row(live_pod: Pod, settings: Any) -> Certificate:
    """Of a proven domain of the route `front`; none yet."""
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, acme="on")
    name = HostName.objects.create(
        pod=live_pod, host=HOST, custom=True, route="front", state="verified", verified_at=timezone.now()
    )
    return Certificate.objects.create(host=HOST, hostname=name, next_at=timezone.now())


@pytest.fixture
def kept(openbao: Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[NginxEdge]:
    """Where certificates are kept: the secret store, and an edge whose nginx does not run."""
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    with prepared() as stand:
        monkeypatch.setattr(edge, "edge", lambda: stand.edge)
        yield stand.edge


def become(row: Certificate, *, age: float = 30, left: float = 60, **fields: Any) -> None:
    """One that was issued `age` days ago and has `left` days to live, unless `fields` say something else."""
    now = timezone.now()
    given = {
        "version": 1, "state": "ready", "names": [HOST], "issuer": "Pebble CA", "fingerprint": "ab" * 32,
        "not_before": now - age * DAY, "not_after": now + left * DAY, "next_at": now + (left - 30) * DAY, **fields,
    }  # fmt: skip
    Certificate.objects.filter(pk=row.pk).update(**given)
    row.refresh_from_db()


def fail(row: Certificate, **fields: Any) -> None:
    now = timezone.now()
    given = {
        "state": "failed", "failures": 2, "error_code": "acme_dns", "error": "No usable DNS answer.",
        "hint": "Check its records.", "tried_at": now, "next_at": now + datetime.timedelta(minutes=10), **fields,
    }  # fmt: skip
    Certificate.objects.filter(pk=row.pk).update(**given)
    row.refresh_from_db()


def text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def page_of(client: Client, pod: Pod) -> str:
    return text(client.get(reverse("certificate", args=[pod.name, HOST])))


def route_of(client: Client, pod: Pod) -> str:
    return text(client.get(reverse("resource", args=[pod.name, "front"])))


def test_one_that_is_requested(live_pod: Pod, row: Certificate, alices: Client) -> None:
    for shown in (page_of(alices, live_pod), route_of(alices, live_pod)):
        assert "It is requested in a moment." in shown
        assert "Request now" in shown
    Certificate.objects.update(state=State.ISSUING)
    for shown in (page_of(alices, live_pod), route_of(alices, live_pod)):
        assert "Being issued" in shown
        assert "looking whether the name leads here" in shown


def test_one_that_waits_for_a_record(live_pod: Pod, row: Certificate, alices: Client, veras: Client) -> None:
    record = {"name": f"_acme-challenge.{HOST}", "value": "the-value-of-it"}
    Certificate.objects.update(state=State.ISSUING, records=[record], by_hand=True)
    shown = page_of(alices, live_pod)
    for words in (record["name"], record["value"], "Waits for you", "The record is there"):
        assert words in shown
    assert "The record is there" not in page_of(veras, live_pod)


def test_one_that_was_issued(live_pod: Pod, row: Certificate, alices: Client, veras: Client) -> None:
    become(row)
    shown = page_of(alices, live_pod)
    for words in ("In use", "It is renewed by itself.", "Pebble CA", "ab" * 32, "Renew now"):
        assert words in shown
    assert "Pebble CA" in route_of(alices, live_pod)
    assert 'role="alert"' not in shown
    for seen in (page_of(veras, live_pod), route_of(veras, live_pod)):
        assert "Renew now" not in seen


def test_one_that_fails_says_why(live_pod: Pod, row: Certificate, alices: Client) -> None:
    fail(row)
    for shown in (page_of(alices, live_pod), route_of(alices, live_pod)):
        assert "No usable DNS answer. Check its records." in shown
        assert "Try again now" in shown
        assert f"There is no certificate of {HOST} yet" in shown
    assert "2 times in a row" in page_of(alices, live_pod)
    become(row, state="failed")
    shown = page_of(alices, live_pod)
    assert "Not renewed" in shown
    assert "The present one goes on serving." in shown


def test_one_that_ends_soon(live_pod: Pod, row: Certificate, alices: Client) -> None:
    become(row, age=84, left=5.5, error="")
    shown = page_of(alices, live_pod)
    assert "Ends soon" in shown
    assert f"The certificate of {HOST} ends in 5 days and has not been renewed." in shown
    become(row, age=4, left=2)  # lives for six days: it is renewed about now
    assert 'role="alert"' not in page_of(alices, live_pod)
    become(row, age=91, left=-1)
    assert "Expired" in page_of(alices, live_pod)
    assert "has expired: browsers refuse it" in page_of(alices, live_pod)


def test_one_s_own(live_pod: Pod, row: Certificate, kept: NginxEdge, alices: Client, veras: Client) -> None:
    chain, key = self_signed([HOST])
    at = reverse("certificate", args=[live_pod.name, HOST])
    assert veras.post(at, {"chain": chain, "key": key}).status_code == 403
    assert alices.post(at, {"chain": chain, "key": key}).status_code == 302
    row.refresh_from_db()
    assert (row.kind, row.state) == ("own", "ready")
    assert kept.certificate(row.kept) == (chain, key)
    shown = page_of(alices, live_pod)
    assert "Your own" in shown
    assert "Take it away" in shown
    assert f"A certificate of {HOST} was uploaded." in shown
    assert "by Alice" in shown
    assert "Renew now" not in route_of(alices, live_pod)
    become(row, left=10.5)
    assert "ends in 10 days: upload the next one" in page_of(alices, live_pod)
    assert alices.delete(at).status_code in (200, 302)
    row.refresh_from_db()
    assert (row.kind, row.version) == ("acme", None)


def test_a_refused_upload_names_the_field(live_pod: Pod, row: Certificate, alices: Client) -> None:
    chain, key = self_signed([HOST])
    other, foreign = self_signed(["other.example.com"])
    at = reverse("certificate", args=[live_pod.name, HOST])
    for given, field, words in (
        ({"chain": other, "key": foreign}, "chain", f"oes not cover {HOST}"),
        ({"chain": chain, "key": foreign}, "key", "oes not belong to this certificate"),
        ({"chain": "nonsense", "key": key}, "chain", "ust be certificates in PEM"),
        ({"chain": chain, "key": ""}, "key", "required"),
    ):
        answer = alices.post(at, given)
        assert answer.status_code == 422
        shown = text(answer)
        found = shown.partition(f'id="id_{field}-errors"')[2].partition("</div></div>")[0]
        assert words in found, field
        for secret in (key, foreign):
            assert secret.splitlines()[1] not in shown
    row.refresh_from_db()
    assert (row.kind, row.version) == ("acme", None)


def test_trying_again_begins_at_once_and_is_told(live_pod: Pod, row: Certificate, alices: Client) -> None:
    fail(row, error_code="acme_connection")
    again = reverse("certificate-request", args=[live_pod.name, HOST])
    assert alices.post(again).status_code == 302
    row.refresh_from_db()
    assert row.next_at is not None
    assert row.next_at <= timezone.now()
    assert row.failures == 2, "the next pause is no shorter for it"
    assert f'A certificate of {HOST} was asked for. <span class="text-secondary">by Alice' in page_of(alices, live_pod)


def test_nobody_uses_up_what_the_authority_allows(live_pod: Pod, row: Certificate, alices: Client) -> None:
    again = reverse("certificate-request", args=[live_pod.name, HOST])
    now = timezone.now().timestamp()
    fail(row, tries=[now - 4000, now - 3000, now - 2000, now - 1000])
    assert alices.post(again).status_code == 302, "one of them was more than an hour ago"
    fail(row, tries=[now - 3000, now - 2000, now - 1000, now - 10])
    assert alices.post(again).status_code == 409
    assert alices.post(again, {"by": "hand"}).status_code == 409
    shown = page_of(alices, live_pod)
    assert "requested 4 times within an hour" in shown
    assert "disabled" in shown.partition("Try again now")[0].rpartition("<form")[2]
    become(row, age=1, failures=0, tries=[])
    answer = alices.post(again)
    assert answer.status_code == 409
    assert "This certificate is new" in text(answer)
    assert "can be renewed by hand from" in page_of(alices, live_pod)


def test_not_twice_at_once(live_pod: Pod, row: Certificate, alices: Client) -> None:
    assert acquire(row) is not None
    Certificate.objects.update(state=State.ISSUING)
    assert alices.post(reverse("certificate-request", args=[live_pod.name, HOST])).status_code == 409


def test_alarms_are_told_once_and_when_they_are_over(
    live_pod: Pod, row: Certificate, kept: NginxEdge, alices: Client
) -> None:
    fail(row)
    for _ in range(3):
        certify.tend()
    (event,) = live_pod.events.all()
    assert (event.kind, event.app, event.level) == ("tls", "front", "error")
    assert "No usable DNS answer." in event.words
    assert event.words in route_of(alices, live_pod).replace("&#39;", "'")
    fail(row, error_code="acme_caa", error="The CAA records forbid it.")
    certify.tend()
    assert "CAA" in live_pod.events.order_by("-id")[0].words
    Certificate.objects.filter(pk=row.pk).update(
        state="waiting", failures=0, error_code="", error="", hint="", next_at=timezone.now() + DAY
    )
    certify.tend()
    certify.tend()
    last = live_pod.events.order_by("-id")[0]
    assert last.words == f"The certificate of {HOST} is in order again."
    assert live_pod.events.count() == 3


def test_alarms_stand_on_the_pods_pages_and_the_operators(
    live_pod: Pod, row: Certificate, alices: Client, client_of: Callable[..., Client], charlie: User
) -> None:
    become(row, age=91, left=-1)
    words = f"The certificate of {HOST} has expired: browsers refuse it."
    assert words in text(alices.get(reverse("pod", args=[live_pod.name])))
    assert words not in text(alices.get(reverse("home"))), "of one's pods the pages say so"
    charlie.is_staff = charlie.is_superuser = True
    charlie.save()
    operator = client_of(charlie)
    shown = text(operator.get(reverse("home")))
    assert words in shown
    assert reverse("admin:certificates_certificate_change", args=[row.pk]) in shown
    listed = text(operator.get(reverse("admin:certificates_certificate_changelist")))
    assert HOST in listed
    assert words in listed


def test_what_is_no_name_of_the_pod_has_no_page(live_pod: Pod, row: Certificate, alices: Client) -> None:
    assert alices.get(reverse("certificate", args=[live_pod.name, "other.example.com"])).status_code == 404
