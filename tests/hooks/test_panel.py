"""The webhook in the pod's settings: who sees what, the secret shown, replaced and ended."""

from __future__ import annotations

import datetime
import html
import logging
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.core.errors import Conflict
from apps.hooks import actions, keys
from apps.hooks.models import Receipt, Webhook
from apps.pods.models import Pod
from apps.secretstore.vault import Vault
from tests.hooks.conftest import B, C, D, Hook, make_pod
from tests.stack.github import ping_payload, push_payload

pytestmark = pytest.mark.django_db
Browser = Callable[..., Client]


def settings_page(client: Client, pod: Pod) -> str:
    answer = client.get(f"/pods/{pod.name}/settings/")
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def test_a_webhook_is_made_once(openbao: Vault, team: Team, bob: User, client_of: Browser) -> None:
    pod, client = make_pod(team, bob, {"web": {}}), client_of(bob)
    assert "Make a webhook" in settings_page(client, pod)
    for _ in range(2):
        assert client.post(f"/pods/{pod.name}/webhook/").status_code == 302
    pod.refresh_from_db()
    assert (Webhook.objects.get(pod=pod).version, pod.webhook_path) == (1, f"pods/{pod.pk}/webhook")
    page = settings_page(client, pod)
    key = openbao.read(pod.webhook_path, 1)["new"]
    assert len(key) >= 40
    assert f"/hooks/{pod.pk}" in page
    assert key not in page, "the secret is not in the page until somebody asks"
    assert "No delivery has come yet" in page


def test_the_secret_is_shown_to_who_may_deploy(hook: Hook, bob: User, client_of: Browser) -> None:
    for _ in range(2):
        answer = client_of(bob).post(f"/pods/{hook.pod.name}/webhook/secret/", headers={"HX-Request": "true"})
        assert hook.key in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]


def test_viewers_see_no_secret_and_no_button(hook: Hook, vera: User, client_of: Browser) -> None:
    hook.send(ping_payload(), event="ping")
    client = client_of(vera)
    page = settings_page(client, hook.pod)
    assert "The webhook works" in page
    for word in (hook.key, "New secret", "webhook/secret", "webhook/rotation", "••••"):
        assert word not in page
    for path, method in (("webhook/", "post"), ("webhook/secret/", "post"), ("webhook/rotation/", "post")):
        assert getattr(client, method)(f"/pods/{hook.pod.name}/{path}").status_code == 403
    assert client.delete(f"/pods/{hook.pod.name}/webhook/rotation/").status_code == 403
    assert Webhook.objects.get(pod=hook.pod).version == 1


def test_other_teams_find_nothing(hook: Hook, charlie: User, client_of: Browser) -> None:
    client = client_of(charlie)
    for path in ("webhook/", "webhook/secret/", "webhook/rotation/"):
        answer = client.post(f"/pods/{hook.pod.name}/{path}")
        assert answer.status_code == 404
        assert hook.key not in answer.content.decode()
    assert Webhook.objects.get(pod=hook.pod).version == 1


def test_the_old_secret_counts_for_a_day(hook: Hook, alice: User, client_of: Browser) -> None:
    assert client_of(alice).post(f"/pods/{hook.pod.name}/webhook/rotation/").status_code == 302
    new = actions.read_key(pod=hook.pod, by=alice)
    assert new != hook.key
    assert hook.send(push_payload(B), key=new).status_code == 202
    assert hook.send(push_payload(C, before=B)).status_code == 202
    assert "The secret before it counts too" in settings_page(client_of(alice), hook.pod)
    Webhook.objects.filter(pod=hook.pod).update(old_until=timezone.now() - datetime.timedelta(seconds=1))
    assert hook.send(push_payload(D, before=C)).status_code == 401
    assert hook.send(push_payload(D, before=C), key=new).status_code == 202
    assert "The secret before it" not in settings_page(client_of(alice), hook.pod)


def test_the_old_secret_can_be_ended_at_once(hook: Hook, alice: User, client_of: Browser) -> None:
    actions.rotate_key(pod=hook.pod, by=alice)
    assert client_of(alice).delete(f"/pods/{hook.pod.name}/webhook/rotation/").status_code == 302
    assert hook.send(push_payload(B)).status_code == 401
    assert hook.send(push_payload(B), key=actions.read_key(pod=hook.pod, by=alice)).status_code == 202


def test_a_second_rotation_ends_the_first_secret(hook: Hook, alice: User) -> None:
    actions.rotate_key(pod=hook.pod, by=alice)
    between = actions.read_key(pod=hook.pod, by=alice)
    actions.rotate_key(pod=hook.pod, by=alice)
    assert hook.send(push_payload(B)).status_code == 401
    assert hook.send(push_payload(B), key=between).status_code == 202


def test_of_two_rotations_at_once_one_is_told(hook: Hook, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    make = keys.make

    def make_while_somebody_else_does() -> str:
        monkeypatch.setattr(keys, "make", make)
        actions.rotate_key(pod=hook.pod, by=alice)
        return make()

    monkeypatch.setattr(keys, "make", make_while_somebody_else_does)
    with pytest.raises(Conflict) as error:
        actions.rotate_key(pod=hook.pod, by=alice)
    assert error.value.code == "webhook_changed"
    assert hook.send(push_payload(B), key=actions.read_key(pod=hook.pod, by=alice)).status_code == 202
    assert hook.send(push_payload(C, before=B)).status_code == 202, "the one both replaced counts still"


def test_the_last_deliveries_are_shown_as_text(hook: Hook, alice: User, client_of: Browser) -> None:
    hook.push(B, branch="<img src=x>")
    hook.push(B)
    raw = client_of(alice).get(f"/pods/{hook.pod.name}/settings/").content.decode()
    assert "<img src=x>" not in raw
    assert "&lt;img src=x&gt;" in raw
    made = Receipt.objects.filter(pod=hook.pod, outcome="deploying").get().deployment
    assert made is not None
    assert f"/pods/{hook.pod.name}/deployments/{made.pk}/" in raw


def test_the_key_is_neither_in_the_database_nor_in_the_log(
    hook: Hook, alice: User, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    with caplog.at_level(logging.DEBUG):
        actions.rotate_key(pod=hook.pod, by=alice)
        shown = actions.read_key(pod=hook.pod, by=alice)
        hook.push(B)
        hook.send(push_payload(C), key="wrong")
        call_command("dumpdata", "hooks", "pods", "deployments")
    told = caplog.text + "".join(capsys.readouterr())
    assert hook.pod.pk in told
    assert shown not in told
    assert hook.key not in told
