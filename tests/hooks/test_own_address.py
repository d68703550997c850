"""An app's own webhook address: its secret, and that no other app is judged."""

from __future__ import annotations

import datetime
import html
from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.hooks import actions, receive
from apps.hooks.models import AppSecret, Receipt, Webhook
from tests.hooks.conftest import B, C, D, Hook, verdict
from tests.stack.github import ping_payload, push_payload, signed

pytestmark = pytest.mark.django_db
Browser = Callable[..., Client]


@pytest.fixture
def hook(make_hook: Callable[..., Hook]) -> Hook:
    return make_hook(web={}, api={})


def send(hook: Hook, key: str, head: str, *, app: str = "web", event: str = "push") -> HttpResponse:
    payload = ping_payload() if event == "ping" else push_payload(head)
    body, headers = signed(payload, key, event=event)
    kind = headers.pop("Content-Type")
    return Client().post(f"{hook.path}/{app}", body, content_type=kind, headers=headers)  # type: ignore[return-value]


def test_only_that_app_is_judged(hook: Hook, alice: User) -> None:
    key = actions.read_key(pod=hook.pod, by=alice, app="web")
    assert verdict(send(hook, key, "", event="ping")) == f"The webhook works: pushes deploy web of {hook.pod.name}."
    answer = send(hook, key, B)
    assert (answer.status_code, verdict(answer)) == (202, "Deploying web at bbbbbbb.")
    assert send(hook, key, B).status_code == 200, "the same again is nothing new"
    assert verdict(hook.push(B)).startswith("Deploying api at bbbbbbb.")
    other = actions.read_key(pod=hook.pod, by=alice, app="nobody")
    assert "nobody of" in verdict(send(hook, other, C, app="nobody"))
    assert len(hook.commits()) == 2


def test_each_address_has_a_secret_of_its_own(hook: Hook, alice: User) -> None:
    key = actions.read_key(pod=hook.pod, by=alice, app="web")
    assert key != hook.key
    assert send(hook, hook.key, B).status_code == 401, "the pod's"
    assert send(hook, key, B, app="api").status_code == 401, "another app's"
    assert hook.send(push_payload(B), key=key).status_code == 401, "the app's at the pod's"
    assert not hook.commits()
    entry = AuditEntry.objects.filter(verb="webhook.secret").latest("id")
    assert entry.name.endswith("/web")


def test_two_count_while_it_is_replaced(hook: Hook, alice: User) -> None:
    old = actions.read_key(pod=hook.pod, by=alice, app="web")
    actions.rotate_key(pod=hook.pod, by=alice)
    new = actions.read_key(pod=hook.pod, by=alice, app="web")
    assert new != old
    assert send(hook, old, B).status_code == 202
    assert send(hook, new, C).status_code == 202
    Webhook.objects.update(old_until=timezone.now() - datetime.timedelta(seconds=1))
    assert send(hook, old, D).status_code == 401


def test_a_redelivery_is_for_that_app_too(hook: Hook, alice: User) -> None:
    send(hook, actions.read_key(pod=hook.pod, by=alice, app="web"), B)
    receipt = Receipt.objects.filter(pod=hook.pod).latest("id")
    assert "api" not in receive.redeliver(receipt=receipt, by=alice).words
    assert len(hook.commits()) == 1


def test_the_page_of_the_app_shows_it(hook: Hook, bob: User, vera: User, charlie: User, client_of: Browser) -> None:
    at, secret = f"/pods/{hook.pod.name}/resources/web/", f"/pods/{hook.pod.name}/webhook/secret/?app="
    key = actions.read_key(pod=hook.pod, by=bob, app="web")
    page = html.unescape(client_of(bob).get(at).content.decode())
    assert f"{hook.path}/web" in page
    assert key not in page
    assert key in client_of(bob).post(f"{secret}web").content.decode()
    assert client_of(bob).post(f"{secret}nobody").status_code == 404
    assert "own_hook_secret" not in client_of(vera).get(at).content.decode()
    assert client_of(vera).post(f"{secret}web").status_code == 403
    assert client_of(charlie).post(f"{secret}web").status_code == 404


def test_the_secret_of_one_app_is_replaced_alone(hook: Hook, alice: User, bob: User, client_of: Browser) -> None:
    at = f"/pods/{hook.pod.name}/webhook/rotation/?app="
    old, other = (actions.read_key(pod=hook.pod, by=alice, app=app) for app in ("web", "api"))
    assert client_of(bob).post(f"{at}web").url == f"/pods/{hook.pod.name}/resources/web/"  # type: ignore[attr-defined]
    new = actions.read_key(pod=hook.pod, by=alice, app="web")
    assert new != old
    assert actions.read_key(pod=hook.pod, by=alice, app="api") == other, "another app's stays"
    assert hook.send(ping_payload(), event="ping").status_code == 200, "and the pod's"
    for key in (old, new):
        assert send(hook, key, "", event="ping").status_code == 200
    page = client_of(bob).get(f"/pods/{hook.pod.name}/resources/web/").content.decode()
    assert "End the old secret" in page
    actions.rotate_key(pod=hook.pod, by=alice)
    for key in (old, new, actions.read_key(pod=hook.pod, by=alice, app="web")):
        assert send(hook, key, "", event="ping").status_code == 200, "the pod's was replaced besides"
    assert client_of(bob).delete(f"{at}web").status_code == 302
    assert send(hook, old, "", event="ping").status_code == 401
    assert send(hook, new, "", event="ping").status_code == 200
    assert client_of(bob).post(f"{at}nobody").status_code == 404
    assert client_of(bob).delete(f"{at}nobody").status_code == 404


def test_a_secret_replaced_twice_leaves_two(hook: Hook, alice: User) -> None:
    keys = [actions.read_key(pod=hook.pod, by=alice, app="web")]
    for _ in range(2):
        actions.rotate_app_key(pod=hook.pod, app="web", by=alice)
        keys.append(actions.read_key(pod=hook.pod, by=alice, app="web"))
    assert [send(hook, key, "", event="ping").status_code for key in keys] == [401, 200, 200]
    AppSecret.objects.update(old_until=timezone.now() - datetime.timedelta(seconds=1))
    assert [send(hook, key, "", event="ping").status_code for key in keys] == [401, 401, 200]
