"""Git access through the pages: who sees what, and that no secret ever comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Team, User
from apps.connections.models import Connection
from apps.pods import actions as pods
from tests.connections.conftest import TOKEN, Connect
from tests.connections.test_actions import pem
from tests.sources.conftest import Served
from tests.sources.ssh_host import Host

Browser = Callable[..., Client]


def page(name: str, team: Team, **words: Any) -> str:
    return reverse(name, kwargs={"team": team.slug} | words)


def own(connection: Connection, what: str = "connection") -> str:
    return page(f"git-access-{what}", connection.team, connection=connection.pk)


def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status, answer.content.decode()[-2000:]
    return str(answer.content.decode())


def test_a_token_is_added_and_never_shown_again(
    team: Team, alice: User, client_of: Browser, authority: str, private: str
) -> None:
    client = client_of(alice)
    given = {"host": authority, "provider": "gitlab", "token": TOKEN, "scope": "acme", "name": "Shop <b>"}
    refused = text_of(client.post(page("git-access-new", team, kind="token"), given | {"scope": "a b"}), 422)
    assert TOKEN not in refused
    assert 'id="id_scope-errors"' in refused
    shown = text_of(client.post(page("git-access-new", team, kind="token"), given, follow=True))
    connection = team.connections.get()
    assert "Shop &lt;b&gt;" in shown
    everything = shown + text_of(client.get(page("git-access", team))) + text_of(client.get(own(connection)))
    assert TOKEN not in everything
    again = text_of(client.post(page("git-access-new", team, kind="token"), given), 422)
    assert 'id="id_name-errors"' in again
    assert team.connections.count() == 1


def test_a_check_and_another_secret(
    team: Team, alice: User, client_of: Browser, connect: Connect, private: str, served: Served
) -> None:
    connection, client = connect(token="the-token-of-yesterday"), client_of(alice)
    failed = text_of(client.post(own(connection, "check"), {"repo": private}, follow=True))
    assert "does not accept" in failed
    assert "refused it when it was last used" in failed
    assert 'id="id_secret-errors"' in text_of(client.post(own(connection, "secret"), {"secret": "x y"}), 422)
    client.post(own(connection, "secret"), {"secret": TOKEN})
    worked = text_of(client.post(own(connection, "check"), {"repo": private}, follow=True))
    assert "can be read" in worked
    assert "refused it" not in worked
    assert 'id="id_repo-errors"' in text_of(client.post(own(connection, "check"), {"repo": "https://x.org/a"}), 422)
    assert TOKEN not in worked


def test_a_deploy_key_is_shown_for_copying(team: Team, alice: User, client_of: Browser, host: Host) -> None:
    client = client_of(alice)
    given = {"host": f"localhost:{host.port}", "provider": "gitea", "scope": "acme/shop"}
    shown = text_of(client.post(page("git-access-new", team, kind="deploy-key"), given, follow=True))
    connection = team.connections.get()
    assert connection.public_key in shown
    assert connection.host_fingerprint in shown
    assert "Add deploy key" in shown
    assert "PRIVATE KEY" not in shown
    renewed = text_of(client.post(own(connection, "secret"), follow=True))
    assert connection.public_key not in renewed
    connection.refresh_from_db()
    assert connection.public_key in renewed


def test_a_host_that_shows_no_key_is_said_on_the_form(team: Team, alice: User, client_of: Browser) -> None:
    given = {"host": "127.0.0.1:1", "provider": "other"}
    answer = client_of(alice).post(page("git-access-new", team, kind="deploy-key"), given)
    assert "shows no ssh host key" in text_of(answer, 422)


def test_a_github_app_is_added(team: Team, alice: User, client_of: Browser) -> None:
    client = client_of(alice)
    key = pem()
    given = {"host": "github.com", "app_id": "12", "installation_id": "34", "private_key": key, "scope": "acme"}
    refused = text_of(client.post(page("git-access-new", team, kind="github-app"), given | {"app_id": "a b"}), 422)
    assert key.splitlines()[1] not in refused
    shown = text_of(client.post(page("git-access-new", team, kind="github-app"), given, follow=True))
    assert "installation 34" in shown
    assert key.splitlines()[1] not in shown


def test_what_it_serves_and_what_a_removal_breaks(
    team: Team, alice: User, client_of: Browser, connect: Connect, authority: str
) -> None:
    wide, narrow = connect(name="wide"), connect(scope="acme/shop", name="narrow")
    pod = pods.create_pod(team=team, name=f"p{narrow.pk[-12:]}", by=alice)
    for name, path in {"web": "acme/shop.git", "api": "other/api"}.items():
        spec = {"source": {"repo": f"https://{authority}/{path}"}, "instance": "1x"}
        pods.save_resource(pod=pod, kind="App", name=name, spec=spec, by=alice, create=True)
    client = client_of(alice)
    for connection, app in ((narrow, "web"), (wide, "api")):
        shown = text_of(client.get(own(connection)))
        assert f"{pod.name} can no longer clone" in shown
        assert f"</a> · {app}" in shown
    client.delete(own(narrow))
    assert not Connection.objects.filter(pk=narrow.pk).exists()
    assert "</a> · web" in text_of(client.get(own(wide))), "the next that fits serves it now"


@pytest.mark.parametrize(("who", "host", "links"), [("alice", 1, 1), ("bob", 1, 0), ("vera", 0, 0)])
def test_who_sees_what(
    team: Team, client_of: Browser, connect: Connect, request: pytest.FixtureRequest, who: str, host: int, links: int
) -> None:
    connection = connect(name="The shop", host="git.example.org")
    Connection.objects.filter(pk=connection.pk).update(last_error="it said no")
    shown = text_of(client_of(request.getfixturevalue(who)).get(page("git-access", team)))
    assert "The shop" in shown
    assert ("git.example.org" in shown) == ("it said no" in shown) == host
    assert (own(connection) in shown) == (page("git-access-new", team, kind="token") in shown) == links


def test_another_teams_connection_is_not_there(team: Team, charlie: User, client_of: Browser, connect: Connect) -> None:
    connection, mine = connect(), charlie.teams.get()
    client = client_of(charlie)
    for what in ("connection", "check", "secret"):
        at = page(f"git-access-{what}", mine, connection=connection.pk)
        assert client.post(at, {"name": "x", "repo": "https://x.org/a", "secret": TOKEN}).status_code == 404
    assert client.delete(page("git-access-connection", mine, connection=connection.pk)).status_code == 404
    assert Connection.objects.filter(pk=connection.pk).exists()


def test_kinds_that_are_none(team: Team, alice: User, client_of: Browser) -> None:
    assert client_of(alice).get(page("git-access-new", team, kind="password")).status_code == 404
