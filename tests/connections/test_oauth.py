"""Signing in at a git host, from the button to the clone, the renewal and the end."""

from __future__ import annotations

import datetime
import html
import json
import re
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import close_old_connections, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.connections import secrets
from apps.connections.access import access, credential_for
from apps.connections.models import Connection, Grant, Handshake, OAuthApplication, Provider
from apps.connections.oauth import actions, renewing
from apps.connections.oauth.protocol import Tokens
from apps.core.errors import Invalid, UserError
from apps.core.ids import new_id
from apps.secretstore import secrets as secret_store
from apps.sources import source
from tests.connections.provider import CLIENT, SECRET, Host
from tests.people import make_user
from tests.sources.conftest import Served

Browser = Callable[..., Client]
KINDS = [Provider.GITHUB, Provider.GITLAB, Provider.BITBUCKET, Provider.GITEA]


def registered(served: Served, provider: Provider) -> OAuthApplication:
    made = OAuthApplication(provider=provider, host=served.url.removeprefix("https://"), client_id=CLIENT)
    made.path, made.version = secrets.keep_application(made.pk, SECRET)
    made.save()
    return made


@pytest.fixture
def gitlab(served: Served, private: str) -> Host:
    registered(served, Provider.GITLAB)
    return Host(served, Provider.GITLAB, actions.redirect_address())


@pytest.fixture
def client(alice: User, client_of: Browser) -> Client:
    return client_of(alice)


def start(client: Client, team: Team) -> str:
    """The button pressed: the host's page."""
    application = OAuthApplication.objects.get()
    at = reverse("git-access-sign-in", kwargs={"team": team.slug, "application": application.pk})
    return away(client.post(at))


def away(answer: Any) -> str:
    """Where the page leads that a button brings."""
    assert answer.status_code == 200
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', answer.content.decode())
    assert found is not None
    return html.unescape(found[1])


def back(client: Client, to: str) -> str:
    """What the browser shows in the end."""
    assert to.startswith(actions.redirect_address())
    parts = urllib.parse.urlsplit(to)
    return str(client.get(f"{parts.path}?{parts.query}", follow=True).content.decode())


def signed_in(client: Client, team: Team, host: Host) -> Connection:
    shown = back(client, host.sign_in(start(client, team)))
    made = team.connections.get()
    assert f"Signed in at {made.host} as octo." in shown
    return made


def clone(team: Team, url: str, into: Path) -> Path:
    into.mkdir(parents=True)
    with access(team, url) as way:
        commit = source().resolve(url, "", credential=way.credential)
        source().clone(url, commit, into, credential=way.credential, on_line=lambda _: None, cancelled=lambda: False)
    return into / "app.py"


def due(made: Connection) -> None:
    Grant.objects.filter(connection=made).update(renew_at=timezone.now() - datetime.timedelta(seconds=1))


@pytest.mark.parametrize("provider", KINDS)
def test_from_the_button_to_the_clone_the_renewal_and_the_end(
    provider: Provider, served: Served, private: str, team: Team, client: Client, tmp_path: Path
) -> None:
    registered(served, provider)
    host = Host(served, provider, actions.redirect_address())
    made = signed_in(client, team, host)
    assert clone(team, private, tmp_path / "first").exists()
    before = host.store.access

    due(made)
    assert clone(team, private, tmp_path / "second").exists()
    assert host.store.refreshes == 1
    assert host.store.access != before
    grant = Grant.objects.get()
    assert grant.renew_at is not None
    assert grant.renew_at > timezone.now()

    host.revoke()
    with pytest.raises(UserError) as refused:
        clone(team, private, tmp_path / "third")
    assert refused.value.code == "access_revoked"
    assert "octo" in refused.value.message
    assert reverse("git-access", kwargs={"team": team.slug}) in refused.value.hint
    at = reverse("git-access-connection", kwargs={"team": team.slug, "connection": made.pk})
    page = client.get(at).content.decode()
    assert "was revoked there or has run out" in page
    assert "Reconnect" in page

    again = client.post(reverse("git-access-reconnect", kwargs={"team": team.slug, "connection": made.pk}))
    assert "Signed in at" in back(client, host.sign_in(away(again)))
    assert team.connections.get().last_error == ""
    assert clone(team, private, tmp_path / "fourth").exists()


def test_no_token_is_in_the_database_or_on_a_page(
    gitlab: Host, private: str, team: Team, client: Client, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    made = signed_in(client, team, gitlab)
    due(made)
    credential_for(team, private)
    held = [gitlab.store.access, gitlab.store.refresh, SECRET]
    rows: list[str] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            rows += [str(row) for row in cursor.fetchall()]
    shown = client.get(reverse("git-access-connection", kwargs={"team": team.slug, "connection": made.pk})).content
    told = "\n".join([*rows, shown.decode(), caplog.text, *capfd.readouterr()])
    assert "octo" in told
    assert not [one for one in held if one in told]


def test_the_host_is_asked_for_reading_alone_with_pkce_and_the_exact_address(
    gitlab: Host, team: Team, client: Client
) -> None:
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(start(client, team)).query)
    assert asked["redirect_uri"] == [f"{configured.BRAINPOD.public_address}/git-access/callback/"]
    assert asked["scope"] == ["read_user read_repository"]
    assert asked["code_challenge_method"] == ["S256"]
    assert Handshake.objects.get().pk not in asked["state"]


def test_an_answer_is_taken_once(gitlab: Host, team: Team, client: Client) -> None:
    to = gitlab.sign_in(start(client, team))
    back(client, to)
    assert "Nobody waits for this sign-in" in back(client, to)
    assert team.connections.count() == 1


def test_another_browser_another_person_and_a_late_answer_are_not_taken(
    gitlab: Host, team: Team, alice: User, bob: User, client: Client, client_of: Browser
) -> None:
    to = gitlab.sign_in(start(client, team))
    for other in (client_of(alice), client_of(bob)):
        assert "Nobody waits for this sign-in" in back(other, to)
    Handshake.objects.update(created_at=timezone.now() - datetime.timedelta(minutes=11))
    assert "Nobody waits for this sign-in" in back(client, to)
    assert not team.connections.exists()
    assert gitlab.store.access == "", "the code was never sent"


def test_who_is_no_admin_any_more_connects_nothing(gitlab: Host, team: Team, alice: User, client: Client) -> None:
    to = gitlab.sign_in(start(client, team))
    team.memberships.filter(user=alice).update(role="developer")
    parts = urllib.parse.urlsplit(to)
    assert client.get(f"{parts.path}?{parts.query}").status_code == 403
    assert not team.connections.exists()


def test_who_declines_is_told_so(gitlab: Host, team: Team, client: Client) -> None:
    assert "was declined" in back(client, gitlab.sign_in(start(client, team), agrees=False))
    assert not team.connections.exists()


def test_a_wrong_secret_of_the_application_is_named(gitlab: Host, team: Team, client: Client) -> None:
    application = OAuthApplication.objects.get()
    application.path, application.version = secrets.keep_application(application.pk, "another-secret")
    application.save()
    shown = back(client, gitlab.sign_in(start(client, team)))
    assert "did not accept the sign-in (invalid_client)" in shown
    assert not team.connections.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_that_renew_at_once_one_asks_and_both_get_what_it_was_given(
    gitlab: Host, private: str, team: Team, client: Client
) -> None:
    made = signed_in(client, team, gitlab)
    due(made)
    asked, go = threading.Event(), threading.Event()

    def held() -> None:
        asked.set()
        assert go.wait(60)

    gitlab.before_token = held
    got: list[str] = []

    def renew() -> None:
        try:
            got.append(renewing.token_for(Connection.objects.get(pk=made.pk)))
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=renew) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert asked.wait(60)
    go.set()
    for thread in threads:
        thread.join(60)
    assert got == [gitlab.store.access] * 4
    assert gitlab.store.refreshes == 1


def test_a_token_that_the_host_ended_early_is_renewed(gitlab: Host, private: str, team: Team, client: Client) -> None:
    signed_in(client, team, gitlab)
    gitlab.store.access = "ended-by-the-host-before-its-time"
    gitlab.served.logins["/acme/"] = ("oauth2", gitlab.store.access)
    with pytest.raises(UserError) as refused, access(team, private) as way:
        source().resolve(private, "", credential=way.credential)
    assert refused.value.code == "authentication_failed", "it may as well be the repository"
    with access(team, private) as way:
        source().resolve(private, "", credential=way.credential)
    assert gitlab.store.refreshes == 1


def test_disconnecting_tells_the_host_and_forgets(gitlab: Host, team: Team, client: Client) -> None:
    made = signed_in(client, team, gitlab)
    held = Tokens.load(secrets.read(made))
    at = reverse("git-access-connection", kwargs={"team": team.slug, "connection": made.pk})
    assert "Disconnect" in client.get(at).content.decode()
    client.delete(at)
    assert gitlab.revoked == [held.refresh, held.access]
    assert not Grant.objects.exists()
    with pytest.raises(Exception, match="not in the secret store"):
        secret_store().read(made.path, made.version)


def test_a_sign_in_has_no_secret_to_paste(gitlab: Host, team: Team, client: Client) -> None:
    made = signed_in(client, team, gitlab)
    at = reverse("git-access-secret", kwargs={"team": team.slug, "connection": made.pk})
    assert client.post(at, {"secret": "pasted-token-of-somebody"}).status_code == 422
    assert Tokens.load(secrets.read(made)).access == gitlab.store.access


def test_a_host_at_a_private_address_is_not_asked(gitlab: Host, team: Team, client: Client, settings: Any) -> None:
    made = signed_in(client, team, gitlab)
    due(made)
    before = len(gitlab.served.seen)
    settings.BRAINPOD = replace(settings.BRAINPOD, allowed_networks="")
    with pytest.raises(Invalid, match="private address"):
        renewing.token_for(made)
    assert len(gitlab.served.seen) == before


@pytest.mark.parametrize("said", [[], "x", {}, {"access_token": 7}, {"access_token": "a b c d e f g h i"}])
def test_strange_answers_are_no_tokens(said: object, gitlab: Host, team: Team, client: Client, served: Served) -> None:
    to = gitlab.sign_in(start(client, team))
    served.pages = lambda *_: (200, {"Content-Type": "application/json"}, json.dumps(said).encode())
    shown = back(client, to)
    assert "gives out no token now" in shown or "did not accept the sign-in" in shown
    assert not team.connections.exists()


# The operators' page


@pytest.fixture
def operator(client_of: Browser) -> Client:
    return client_of(make_user("operator", is_staff=True, is_superuser=True))


def test_an_operator_registers_an_application(operator: Client, team: Team, client: Client) -> None:
    add = reverse("admin:connections_oauthapplication_add")
    assert actions.redirect_address() in operator.get(add).content.decode()
    given = {"provider": "gitlab", "host": "https://gitlab.example.org/", "client_id": "us", "secret": SECRET}
    assert operator.post(add, given | {"secret": ""}).status_code == 200, "needs one"
    assert operator.post(add, given | {"host": "10.0.0.1"}).status_code == 200, "a private address"
    assert operator.post(add, given | {"host": "bitbucket.org"}).status_code == 200, "another kind"
    assert operator.post(add, given).status_code == 302
    made = OAuthApplication.objects.get()
    assert (made.host, secrets.read_application(made)) == ("gitlab.example.org", SECRET)
    assert "Connect GitLab" in client.get(reverse("git-access", kwargs={"team": team.slug})).content.decode()

    change = reverse("admin:connections_oauthapplication_change", args=[made.pk])
    assert SECRET not in operator.get(change).content.decode()
    assert operator.post(change, given | {"secret": "", "client_id": "we"}).status_code == 302
    made.refresh_from_db()
    assert (made.client_id, secrets.read_application(made)) == ("we", SECRET)
    assert operator.post(change, given | {"secret": "another-secret"}).status_code == 302
    made.refresh_from_db()
    assert secrets.read_application(made) == "another-secret"
    assert operator.post(reverse("admin:connections_oauthapplication_delete", args=[made.pk]), {"post": "yes"})
    assert not OAuthApplication.objects.exists()


def test_one_application_serves_each_host(operator: Client) -> None:
    add = reverse("admin:connections_oauthapplication_add")
    given = {"provider": "gitea", "host": f"{new_id()}.example.org", "client_id": "us", "secret": SECRET}
    assert operator.post(add, given).status_code == 302
    assert "already exists" in operator.post(add, given).content.decode()
