"""The team's page of notifications, by its forms; who sees and does what; and where secrets are not."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core import serializers
from django.http import HttpResponse
from django.test import Client

from apps.accounts.models import Team, User
from apps.notify import keys
from apps.notify.models import Delivery, Endpoint, Message
from apps.pods.models import Pod
from tests.notify.conftest import Add, How, Receiver, send, tell

Browser = Callable[..., Client]
SECRET = "/services/T000/B000/planted-part-of-an-address"


def page(team: Team, *words: object) -> str:
    return "/".join(["/teams", team.slug, "notifications", *map(str, words)]) + "/"


def text(answer: HttpResponse, status: int = 200) -> str:
    assert answer.status_code == status, answer.content.decode()[-2000:]
    return answer.content.decode()


def given(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"name": "Releases", "target": f"{receiver.url}/hook", "events": ["build.failed"], **more}


def test_a_webhook_from_the_form_to_the_log(
    team: Team, alice: User, pod: Pod, client_of: Browser, receiver: Receiver
) -> None:
    client = client_of(alice)
    assert "Nobody is told yet" in text(client.get(page(team)))
    assert "Standard Webhooks" in text(client.get(page(team, "new", "webhook")))
    made = text(client.post(page(team, "new", "webhook"), given(receiver, only_pods="on", pods=[pod.name])))
    endpoint = Endpoint.objects.get()
    key = keys.read(endpoint).key
    assert key in made
    assert (endpoint.events, endpoint.all_pods, list(endpoint.pods.all())) == (["build.failed"], False, [pod])

    here = page(team, endpoint.pk)
    assert "Nothing was sent yet" in text(client.get(here))
    assert key not in text(client.get(here)), "shown once"
    sent = text(client.post(f"{here}test/", follow=True))
    assert "The test was sent. Answered 200." in sent
    assert "Delivered" in sent
    assert "thanks" in sent
    listed = text(client.get(page(team)))
    assert "Works" in listed
    assert pod.name in listed

    rotated = text(client.post(f"{here}key/"))
    assert (new := keys.read(Endpoint.objects.get()).key) in rotated
    assert new != key
    assert "End the former key" in text(client.get(here))
    assert client.delete(f"{here}key/").status_code == 302
    assert client.delete(f"{here}settings/").status_code == 302
    assert not Endpoint.objects.exists()


def test_changing_it_leaves_the_address_where_none_is_given(
    team: Team, alice: User, client_of: Browser, receiver: Receiver, add: Add
) -> None:
    endpoint, client = add(SECRET, kind="slack"), client_of(alice)
    here = page(team, endpoint.pk, "settings")
    assert SECRET not in text(client.get(here))
    changed = {"name": "Other", "target": "", "events": ["build.failed", "backup.failed"]}
    assert client.post(here, changed).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.events, endpoint.enabled) == ("Other", ["build.failed", "backup.failed"], False)
    assert keys.read(endpoint).target == receiver.url + SECRET
    assert client.post(here, changed | {"target": f"{receiver.url}/new", "enabled": "on"}).status_code == 302
    endpoint.refresh_from_db()
    assert endpoint.enabled
    assert keys.read(endpoint).target == f"{receiver.url}/new"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "\u202ename"}, "one line of visible"),
        ({"target": ""}, "This field is required"),
        ({"target": "https://10.0.0.1/"}, "private address"),
        ({"target": "javascript:alert(1)"}, "https://"),
        ({"events": []}, "Choose at least one"),
        ({"events": ["no.such"]}, "not one of the available"),
        ({"only_pods": "on"}, "Choose at least one"),
        ({"only_pods": "on", "pods": ["somebody-elses"]}, "not one of the available"),
    ],
)
def test_bad_input_is_named_beside_its_field(
    more: dict[str, Any], words: str, team: Team, alice: User, pod: Pod, client_of: Browser, receiver: Receiver
) -> None:
    answer = client_of(alice).post(page(team, "new", "webhook"), given(receiver, **more))
    assert words in text(answer, 422)
    assert not Endpoint.objects.exists()


def test_a_name_that_is_taken_is_said_on_the_form(
    team: Team, alice: User, client_of: Browser, receiver: Receiver, add: Add
) -> None:
    add(name="Releases")
    answer = client_of(alice).post(page(team, "new", "webhook"), given(receiver))
    assert "called Releases already" in text(answer, 422)


def test_without_a_mail_server_the_form_says_so(team: Team, alice: User, client_of: Browser) -> None:
    client = client_of(alice)
    assert "no mail server" in text(client.get(page(team, "new", "email")))
    sent = {"name": "x", "target": "ada@example.com", "events": ["build.failed"]}
    assert "no mail server" in text(client.post(page(team, "new", "email"), sent), 422)


def test_the_log_is_filtered_and_sent_again(
    team: Team, alice: User, client_of: Browser, receiver: Receiver, add: Add
) -> None:
    endpoint, client = add(), client_of(alice)
    here = page(team, endpoint.pk)
    [failed] = tell(endpoint, event="build.failed")
    receiver.how["/hook"] = How(410, body=b"<script>alert(1)</script>")
    send()
    Endpoint.objects.update(enabled=True)
    del receiver.how["/hook"]
    tell(endpoint, event="backup.success")
    send()
    shown = text(client.get(here))
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert(1)" not in shown
    rows = r"<strong>([^<]+)</strong>"
    assert re.findall(rows, shown) == ["Backup made", "Build failed"]
    assert re.findall(rows, text(client.get(here, {"state": "failed"}))) == ["Build failed"]
    assert re.findall(rows, text(client.get(here, {"event": "backup.success"}))) == ["Backup made"]
    assert "No delivery matches" in text(client.get(here, {"state": "pending"}))
    assert client.post(f"{here}deliveries/{failed.pk}/redelivery/").status_code == 302
    send()
    failed.refresh_from_db()
    assert failed.state == "delivered"


def test_members_see_and_only_admins_do(
    team: Team, bob: User, vera: User, charlie: User, client_of: Browser, add: Add
) -> None:
    endpoint = add()
    [delivery] = tell(endpoint)
    send()
    here = page(team, endpoint.pk)
    for person in (bob, vera):
        client = client_of(person)
        assert "Add a place" not in text(client.get(page(team)))
        shown = text(client.get(here))
        assert "Send a test" not in shown
        assert "thanks" not in shown, "what the other side answered is the admins' alone"
        assert client.get(f"{here}settings/").status_code == 403
        for at in ("test/", "key/", f"deliveries/{delivery.pk}/redelivery/"):
            assert client.post(here + at).status_code == 403
    for at in ("", "settings/", "test/", "key/"):
        assert client_of(charlie).post(here + at).status_code in (404, 405)
    assert client_of(charlie).get(here).status_code == 404
    own = charlie.memberships.get().team
    assert client_of(charlie).get(page(own, endpoint.pk)).status_code == 404
    assert client_of(charlie).post(page(own, endpoint.pk, "test")).status_code == 404


def test_the_list_takes_as_many_queries_for_many(
    team: Team, alice: User, client_of: Browser, add: Add, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for _ in range(12):
        tell(add(pods=[]))
    endpoint = Endpoint.objects.first()
    assert endpoint is not None
    for _ in range(30):
        tell(endpoint)
    client = client_of(alice)
    with django_assert_max_num_queries(12):
        client.get(page(team))
    with django_assert_max_num_queries(14):
        client.get(page(team, endpoint.pk))


def test_secrets_are_in_no_row_log_or_answer(
    team: Team, alice: User, client_of: Browser, receiver: Receiver, add: Add, caplog: pytest.LogCaptureFixture
) -> None:
    """The other side gives everything back that it was sent, address and signature included."""
    caplog.set_level(logging.DEBUG, "apps")
    client = client_of(alice)
    for kind in ("webhook", "slack"):
        endpoint = add(SECRET, kind=kind)
        key = keys.read(endpoint).key
        receiver.how[SECRET] = How(500, body=f"no such hook: {receiver.url}{SECRET} {SECRET} {key}".encode())
        client.post(page(team, endpoint.pk, "test"))
        tell(endpoint)
        send()
        rows = [*Endpoint.objects.all(), *Message.objects.all(), *Delivery.objects.all()]
        seen = [serializers.serialize("json", rows), caplog.text]
        seen += [text(client.get(page(team, *at))) for at in ((), (endpoint.pk,), (endpoint.pk, "settings"))]
        for where in seen:
            assert "planted-part" not in where
            assert not key or key not in where
    assert Delivery.objects.exclude(attempts=[]).count() == 4
    assert "no such hook" in Delivery.objects.first().attempts[0]["answer"]  # type: ignore[union-attr]
