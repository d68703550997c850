"""A GitHub App that GitHub makes for the platform: from the button to the installation and the first push."""

from __future__ import annotations

import html
import json
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Team, User
from apps.connections import secrets
from apps.connections.models import AppHandshake, Connection
from apps.connections.remote.client import can
from apps.deployments.models import Deployment
from apps.previews.models import PreviewSettings
from tests.connections.api_host import ApiHost
from tests.connections.test_actions import pem, stored
from tests.hooks.conftest import B, make_pod
from tests.sources.conftest import Served
from tests.stack.github import pull_payload, push_payload, signed

Browser = Callable[..., Client]
KEY, SECRET = pem(), "planted-webhook-secret"


@pytest.fixture
def github(served: Served, settings: Any) -> ApiHost:
    settings.BRAINPOD = replace(settings.BRAINPOD, dashboard_host="pods.example.org")
    there = ApiHost(served, "github", "")
    made = {
        "id": 4711, "slug": "our-app", "html_url": f"{served.url}/github-apps/our-app", "pem": KEY,
        "webhook_secret": SECRET, "client_id": "Iv1.x", "client_secret": "planted-client-secret",
    }  # fmt: skip
    there.on("POST", r"/app-manifests/good-code/conversions", (201, made))
    there.on("GET", r"/app/installations/99", (200, {"id": 99, "account": {"login": "acme"}}))
    return there


@pytest.fixture
def client(alice: User, client_of: Browser) -> Client:
    return client_of(alice)


def begin(client: Client, team: Team, authority: str, **given: str) -> tuple[str, dict[str, Any], Any]:
    """(the state, the manifest, the answer) of the page that leads on to GitHub."""
    answer = client.post(reverse("git-access-app", kwargs={"team": team.slug}), {"host": authority} | given)
    assert answer.status_code == 200
    page = html.unescape(answer.content.decode())
    action = re.search(r'action="(https://[^"]+)"', page)
    manifest = re.search(r'name="manifest" value="(.*?)">', page, re.DOTALL)
    assert action
    assert manifest
    state = urllib.parse.parse_qs(urllib.parse.urlsplit(action[1]).query)["state"][0]
    return state, json.loads(manifest[1]), answer


def back(client: Client, name: str, **query: str) -> str:
    return str(client.get(reverse(name), query, follow=True).content.decode())


def made(client: Client, team: Team, authority: str) -> Connection:
    state, _, _ = begin(client, team, authority)
    back(client, "git-access-app-callback", code="good-code", state=state)
    return team.connections.get()


def test_from_the_button_to_the_first_push(
    github: ApiHost, client: Client, team: Team, bob: User, authority: str, served: Served
) -> None:
    state, manifest, answer = begin(client, team, authority, organisation="acme")
    assert f"form-action 'self' {served.url};" in answer["Content-Security-Policy"]
    assert manifest["default_permissions"]["statuses"] == "write"
    assert manifest["default_events"] == ["push", "pull_request", "delete"]
    page = back(client, "git-access-app-callback", code="good-code", state=state)
    connection = team.connections.get()
    assert manifest["hook_attributes"]["url"].endswith(f"/hooks/app/{connection.pk}")
    assert "Install it" in page
    assert connection.waits
    assert not can(connection)
    assert secrets.read(connection).strip() == KEY.strip()
    assert secrets.more_of(connection)["webhook_secret"] == SECRET
    for planted in (SECRET, KEY.splitlines()[1], "planted-client-secret"):
        assert planted not in stored(connection) + page

    at = reverse("git-access-app-install", kwargs={"team": team.slug, "connection": connection.pk})
    to = re.search(r'content="0;url=([^"]+)"', client.post(at).content.decode())
    assert to
    assert to[1].startswith(f"{served.url}/github-apps/our-app/installations/new?state=")
    state = to[1].partition("state=")[2]
    shown = back(client, "git-access-app-setup", state=state, installation_id="99", setup_action="install")
    connection.refresh_from_db()
    assert (connection.installation_id, connection.scope) == ("99", "acme")
    assert "installed for acme" in shown
    assert can(connection)

    pod = make_pod(team, bob, {"web": {}})
    body, headers = signed(push_payload(B), SECRET)
    path, kind = f"/hooks/app/{connection.pk}", headers.pop("Content-Type")
    told = Client().post(path, body, content_type=kind, headers=headers)
    assert told.status_code == 202, told.content
    assert Deployment.objects.filter(pod=pod, trigger="push").count() == 1
    again = Client().post(path, body, content_type=kind, headers=headers)
    assert again.status_code == 200
    assert Deployment.objects.filter(pod=pod, trigger="push").count() == 1

    PreviewSettings.objects.create(pod=pod, enabled=True)
    body, headers = signed(pull_payload(B), SECRET, event="pull_request")
    told = Client().post(path, body, content_type=headers.pop("Content-Type"), headers=headers)
    assert told.json()["verdict"].startswith(f"Opening preview {pod.name}-pr-12")


def test_deliveries_that_nobody_signed(github: ApiHost, client: Client, team: Team, authority: str) -> None:
    connection = made(client, team, authority)
    for key, to in ((SECRET, "0" * 16), ("wrong", connection.pk), ("", connection.pk)):
        body, headers = signed(push_payload(B), key)
        answer = Client().post(f"/hooks/app/{to}", body, content_type=headers.pop("Content-Type"), headers=headers)
        assert answer.status_code == 401
    assert Client().get(f"/hooks/app/{connection.pk}").status_code == 405


def test_each_step_is_taken_once_in_the_browser_that_began_it(
    github: ApiHost, client: Client, team: Team, alice: User, client_of: Browser, authority: str
) -> None:
    state, _, _ = begin(client, team, authority)
    assert "Nobody waits" in back(client_of(alice), "git-access-app-callback", code="good-code", state=state)
    assert "Nobody waits" in back(client, "git-access-app-setup", installation_id="99", state=state)
    assert not [one for one in github.asked if "conversions" in one.path], "the code was never sent"
    back(client, "git-access-app-callback", code="good-code", state=state)
    assert "Nobody waits" in back(client, "git-access-app-callback", code="good-code", state=state)
    assert team.connections.count() == 1
    assert not AppHandshake.objects.exists()


@pytest.mark.parametrize("said", [(404, {}), (201, []), (201, {"id": 1, "pem": "x"}), (500, None)])
def test_strange_answers_make_no_connection(
    github: ApiHost, client: Client, team: Team, authority: str, said: tuple[int, Any]
) -> None:
    github.on("POST", r"/app-manifests/good-code/conversions", said)
    state, _, _ = begin(client, team, authority)
    back(client, "git-access-app-callback", code="good-code", state=state)
    assert not team.connections.exists()
    state, _, _ = begin(client, team, authority)
    assert "made no GitHub App" in back(client, "git-access-app-callback", code="../../x", state=state)


def test_an_installation_of_another_app(github: ApiHost, client: Client, team: Team, authority: str) -> None:
    connection = made(client, team, authority)
    at = reverse("git-access-app-install", kwargs={"team": team.slug, "connection": connection.pk})
    for number, words in (("98", "no such installation"), ("x", "must be a number")):
        state = client.post(at).content.decode().partition("state=")[2].partition('"')[0]
        assert words in back(client, "git-access-app-setup", state=state, installation_id=number)
    connection.refresh_from_db()
    assert connection.waits


def test_an_address_that_the_internet_does_not_know(
    github: ApiHost, client: Client, team: Team, authority: str, settings: Any
) -> None:
    settings.BRAINPOD = replace(settings.BRAINPOD, dashboard_host="brainpod.localhost")
    _, manifest, answer = begin(client, team, authority)
    assert "hook_attributes" not in manifest
    assert "GitHub cannot reach" in answer.content.decode()


def test_what_cannot_be_asked_for(client: Client, bob: User, client_of: Browser, team: Team) -> None:
    at = reverse("git-access-app", kwargs={"team": team.slug})
    for given in ({"host": "gitlab.com"}, {"host": "10.0.0.1"}, {"host": "github.com", "organisation": "a/b"}):
        assert client.post(at, given).status_code == 422
    assert client_of(bob).post(at, {"host": "github.com"}).status_code == 403
    assert not AppHandshake.objects.exists()
