"""Connections made, checked, given other secrets, removed; and what the database and the store hold of them."""

from __future__ import annotations

import json
from pathlib import Path

import asyncssh
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.core import serializers

from apps.accounts.models import Team, User
from apps.connections import actions, secrets
from apps.connections.access import access, credential_for
from apps.connections.models import Connection
from apps.core.errors import Conflict, Invalid, NotFound, PlatformError, UserError
from apps.secretstore import secrets as store
from apps.sources import source
from tests.connections.conftest import TOKEN, Connect
from tests.people import make_team
from tests.sources.conftest import Served, git
from tests.sources.ssh_host import Host

RSA = "RSA PRIVATE KEY"


def pem(size: int = 2048) -> str:
    key = rsa.generate_private_key(65537, size)
    kind = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()


def stored(connection: Connection) -> str:
    return serializers.serialize("json", Connection.objects.filter(pk=connection.pk))


def test_a_token_is_kept_in_the_secret_store_alone(connect: Connect, private: str, team: Team) -> None:
    made = connect()
    assert (made.username, made.scope) == ("oauth2", "")
    assert TOKEN not in stored(made)
    assert store().read(made.path, made.version) == {"secret": TOKEN}
    credential = credential_for(team, private)
    assert credential
    assert (credential.username, credential.password) == ("oauth2", TOKEN)
    made.refresh_from_db()
    assert made.last_used_at
    files = [path for path in Path(settings.BRAINPOD.state).rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("host", "provider", "username"),
    [
        ("github.com", "github", "x-access-token"),
        ("GitLab.com", "gitlab", "oauth2"),
        ("https://bitbucket.org/", "bitbucket", "x-token-auth"),
        ("codeberg.org", "gitea", "oauth2"),
        ("git.example.org:8443", "other", "git"),
    ],
)
def test_hosts_and_their_customs(connect: Connect, host: str, provider: str, username: str) -> None:
    made = connect(host=host, provider="other")
    assert (made.provider, made.username) == (provider, username)
    assert "/" not in made.host
    assert made.host == made.host.lower()
    assert connect(host=host, provider="other", username="gitlab+deploy-1").username == "gitlab+deploy-1"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""), ("host", "github.com/acme"), ("host", "user:x@github.com"), ("host", "169.254.169.254"),
        ("host", "2852039166"), ("host", "git hub.com"), ("host", "-oX"), ("host", "http://github.com"),
        ("provider", "svn"), ("token", ""), ("token", "short"), ("token", "two words"), ("token", "a\nb" * 9),
        ("token", "ü" * 20), ("token", "x" * 4001), ("username", "a b"), ("username", "a:b"), ("username", "x" * 101),
        ("username", TOKEN), ("scope", "a b"), ("scope", "../x"), ("scope", "a//b"), ("scope", "x" * 201),
        ("name", "x" * 81), ("name", "a\u202eb"),
    ],
    ids=ascii,
)  # fmt: skip
def test_what_cannot_be(connect: Connect, team: Team, field: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        connect(**{field: value})
    assert [detail.path for detail in caught.value.details] == [field]
    assert TOKEN not in str(caught.value)
    assert not team.connections.exists()


def test_names(connect: Connect, team: Team, alice: User, authority: str) -> None:
    first, second = connect(), connect()
    assert first.name != second.name
    third = connect(name=" The  shop ")
    assert third.name == "The shop"
    with pytest.raises(Conflict) as caught:
        connect(name="The shop")
    assert caught.value.code == "name_taken"
    with pytest.raises(Conflict):
        actions.rename(connection=first, name="The shop", by=alice)
    with pytest.raises(Invalid):
        actions.rename(connection=first, name=" ", by=alice)
    actions.rename(connection=first, name="Mine", by=alice)
    assert set(team.connections.values_list("name", flat=True)) == {"Mine", second.name, "The shop"}


def test_only_admins_change_them(connect: Connect, team: Team, bob: User, charlie: User, authority: str) -> None:
    made = connect()
    for person, error in ((bob, "forbidden"), (charlie, "not_found")):
        for attempt in (
            lambda by: actions.connect_token(team=team, host=authority, provider="other", token=TOKEN, by=by),
            lambda by: actions.generate_deploy_key(team=team, host="github.com", by=by),
            lambda by: actions.connect_github_app(team=team, app_id="1", installation_id="1", private_key=pem(), by=by),
            lambda by: actions.rename(connection=made, name="x", by=by),
            lambda by: actions.rotate(connection=made, secret=TOKEN, by=by),
            lambda by: actions.check(connection=made, repo="https://github.com/a/b", by=by),
            lambda by: actions.disconnect(connection=made, by=by),
        ):
            with pytest.raises(UserError) as caught:
                attempt(person)
            assert caught.value.code == error
    assert team.connections.count() == 1


def test_another_teams_connection_is_never_used(connect: Connect, private: str) -> None:
    connect()
    stranger = make_team("elsewhere")
    assert credential_for(stranger, private) is None
    with pytest.raises(UserError) as caught, access(stranger, private) as way:
        source().resolve(private, "", credential=way.credential)
    assert caught.value.code == "authentication_failed"
    assert f"/teams/{stranger.slug}/git-access/" in caught.value.hint


def test_the_narrowest_scope_wins(connect: Connect, team: Team, authority: str) -> None:
    for scope in ("", "acme", "acme/shop", "acme/shop/deep", "other"):
        connect(scope=scope, token=f"token-for-{scope or 'all'}", name=f"c {scope}")
    connect(scope="acme/shop", token="token-newer", name="newer", host="127.0.0.1:1")
    for path, wanted in {
        "acme/shop.git": "acme/shop",
        "ACME/Shop": "acme/shop",
        "acme/shop/deep": "acme/shop/deep",
        "acme/shopping.git": "acme",
        "acme/%73hop.git": "acme/shop",
        "acme//shop.git": "acme/shop",
        "acmes/shop.git": "all",
        "x/acme/shop.git": "all",
    }.items():
        credential = credential_for(team, f"https://{authority}/{path}")
        assert credential, path
        assert credential.password == f"token-for-{wanted}", path
    newer = connect(scope="acme/shop", token="token-newest", name="newest")
    credential = credential_for(team, f"https://{newer.host}/acme/shop.git")
    assert credential
    assert credential.password == "token-newest"


def test_only_the_very_host(connect: Connect, team: Team, authority: str) -> None:
    connect()
    name, port = authority.split(":")
    for url in (
        f"https://{name}/acme/shop.git", f"https://{name}:{int(port) - 1}/acme/shop.git", f"https://x.{authority}/a/b",
        f"https://127.0.0.1:{port}/acme/shop.git", f"ssh://git@{authority}/acme/shop.git", "brainpod:acme/shop",
    ):  # fmt: skip
        assert credential_for(team, url) is None, url


def test_a_check_says_what_came_of_it(connect: Connect, private: str, served: Served, alice: User, work: Path) -> None:
    made = connect(scope="acme")
    assert actions.check(connection=made, repo=private, by=alice)
    assert git("rev-parse", "HEAD", cwd=work)[:7] in made.check_result
    assert (made.last_error, bool(made.checked_at)) == ("", True)
    served.logins["/acme/"] = ("oauth2", "the-host-has-revoked-it")
    assert not actions.check(connection=made, repo=private, by=alice)
    assert "does not accept" in made.check_result
    assert made.last_error
    assert TOKEN not in stored(made)
    for repo in (private.replace("/acme/", "/other/"), "https://github.com/acme/shop", "nonsense", ""):
        with pytest.raises(Invalid) as caught:
            actions.check(connection=made, repo=repo, by=alice)
        assert caught.value.details[0].path == "repo"


def test_what_the_host_refuses_is_noted_and_forgotten_once_it_works(
    connect: Connect, private: str, served: Served, team: Team
) -> None:
    made = connect(name="The shop")
    served.logins["/acme/"] = ("oauth2", "the-host-has-revoked-it")
    with pytest.raises(UserError) as caught, access(team, private) as way:
        source().resolve(private, "", credential=way.credential)
    assert "The shop" in caught.value.hint
    assert f"/teams/{team.slug}/git-access/" in caught.value.hint
    made.refresh_from_db()
    assert "does not accept" in made.last_error
    served.logins["/acme/"] = ("oauth2", TOKEN)
    hidden: list[str] = []
    with access(team, private, hide=hidden.extend) as way:
        source().resolve(private, "", credential=way.credential)
    assert hidden == [TOKEN]
    made.refresh_from_db()
    assert made.last_error == ""


def test_a_replaced_secret_is_forgotten(connect: Connect, private: str, team: Team, alice: User) -> None:
    made = connect()
    path, version = made.path, made.version
    stale = Connection.objects.get(pk=made.pk)
    actions.rotate(connection=made, secret="another-token-entirely", by=alice)
    with pytest.raises(PlatformError):
        store().read(path, version)
    credential = credential_for(team, private)
    assert credential
    assert credential.password == "another-token-entirely"
    with pytest.raises(Conflict) as caught:
        actions.rotate(connection=stale, secret="a-third-token-too-late", by=alice)
    assert caught.value.code == "connection_changed"
    assert secrets.read(stale) == "another-token-entirely", "a build that began before finds the new one"
    with pytest.raises(Invalid) as wrong:
        actions.rotate(connection=made, secret="x", by=alice)
    assert wrong.value.details[0].path == "secret"


def test_a_removed_connection_leaves_nothing(connect: Connect, private: str, team: Team, alice: User) -> None:
    made = connect()
    actions.disconnect(connection=made, by=alice)
    assert not Connection.objects.filter(pk=made.pk).exists()
    with pytest.raises(PlatformError):
        store().read(made.path, made.version)
    assert credential_for(team, private) is None


def test_a_deploy_key_from_making_to_cloning(host: Host, team: Team, alice: User, work: Path) -> None:
    made = actions.generate_deploy_key(team=team, host=f"localhost:{host.port}", provider="other", by=alice)
    assert made.public_key.startswith("ssh-ed25519 ")
    assert made.host_fingerprint.startswith("SHA256:")
    assert "PRIVATE KEY" not in stored(made)
    host.private, host.accepted = True, set()
    assert not actions.check(connection=made, repo=host.url("app"), by=alice)
    host.accepted = {asyncssh.import_public_key(made.public_key).get_fingerprint()}
    assert actions.check(connection=made, repo=host.url("app"), by=alice)
    before = made.public_key
    actions.rotate(connection=made, by=alice)
    assert made.public_key != before
    assert not actions.check(connection=made, repo=host.url("app"), by=alice), "the old key is still in the host"


def test_a_host_that_shows_no_key(team: Team, alice: User, host: Host) -> None:
    host.stop()
    with pytest.raises(UserError) as caught:
        actions.generate_deploy_key(team=team, host=f"localhost:{host.port}", provider="other", by=alice)
    assert caught.value.code == "source_unreachable"
    assert not team.connections.exists()
    host.start(asyncssh.generate_private_key("ssh-ed25519"))


@pytest.mark.parametrize(
    "key", ["", "nonsense", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----"]
)
def test_what_is_no_key_of_an_app(team: Team, alice: User, key: str) -> None:
    with pytest.raises(Invalid) as caught:
        actions.connect_github_app(
            team=team, app_id="1", installation_id="2", private_key=pem(1024) if key == "short" else key, by=alice
        )
    assert [detail.path for detail in caught.value.details] == ["private_key"]
    for fields in ({"app_id": ""}, {"app_id": "a b"}, {"installation_id": "x"}, {"installation_id": "-1"}):
        given = {"app_id": "1", "installation_id": "2"} | fields
        with pytest.raises(Invalid) as caught:
            actions.connect_github_app(team=team, private_key=pem(), by=alice, **given)
        assert [detail.path for detail in caught.value.details] == list(fields)


def test_a_connection_of_another_team_is_not_found(connect: Connect, charlie: User) -> None:
    with pytest.raises(NotFound):
        actions.disconnect(connection=connect(), by=charlie)


def test_secrets_are_in_no_export(connect: Connect) -> None:
    made = connect()
    assert TOKEN not in json.dumps([str(made), repr(made), stored(made)])
