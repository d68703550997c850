"""A pod that is live as a blueprint: without a value of its own, and what is installed from it is the same pod."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.blueprints import actions
from apps.blueprints.drawn import drawn
from apps.blueprints.models import TeamBlueprint
from apps.blueprints.reading import read_blueprint
from apps.manifests import actions as manifests
from apps.manifests.export import described
from apps.manifests.reading import parse
from apps.pods import actions as pods
from apps.pods.models import Pod
from tests.people import join, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("store")]
SHOP = """\
version: 1
resources:
  Config:
    settings:
      variables:
        SITE: https://www.example.com/x
        HOSTS: 'www.example.com,example.com,xwww.example.com,{host}'
        TOKEN: plain-and-known
        DB: postgres://u:${{db.password}}@${{db.host}}/x
      secrets: [SECRET_KEY, STRIPE_API_KEY, SMTP_PASSWORD, ADMIN_PASSWORD]
      files:
        app.ini: 'host = {host}'
    more:
      secrets: [SECRET_KEY]
  Disk:
    data:
      size: 10
    up:
      size: 7
  PostgresDB:
    db:
      disk: data
  App:
    web:
      source:
        repo: https://www.example.com/you/shop.git
        branch: main
        commit: {commit}
      configs: [settings, more]
      env:
        HOME_URL: http://{host}/
        PASSWORD: hunter2-in-the-open
      replicas: 1
      mounts:
        - path: /up
          disk: up
      startCommand: serve --name www.example.com
    own:
      type: worker
      source:
        repo: brainpod:{team}/shop/own
  Route:
    site:
      domains: [www.example.com, example.com]
      rules:
        - path: /
          app: web
      password: true
      redirects:
        - source: /old
          target: https://www.example.com/new
"""
STATIC = {"type": "static", "source": {"repo": "https://github.com/example/site.git"}}
VALUES = {
    ("settings", "SECRET_KEY"): "hunter2-one", ("settings", "STRIPE_API_KEY"): "hunter2-two",
    ("settings", "SMTP_PASSWORD"): "hunter2-three", ("settings", "ADMIN_PASSWORD"): "hunter2-four",
    ("more", "SECRET_KEY"): "hunter2-five", ("site", "password"): "hunter2-six",
}  # fmt: skip


@pytest.fixture
def shop(team: Team, alice: User) -> Pod:
    pod = pods.create_pod(team=team, name="shop", by=alice)
    host = pod.hosts.get().host
    text = SHOP.format(host=host, commit="c" * 40, team=team.slug)
    manifests.apply(pod=pod, manifest=parse(text, team=team.slug), values=VALUES, keep=False, by=alice)
    pod.refresh_from_db()
    Pod.objects.filter(pk=pod.pk).update(live=pods.seal(pod=pod, summary="", by=alice))
    pod.refresh_from_db()
    return pod


def live(pod: Pod) -> Any:
    assert pod.live is not None
    return pod.live


def test_nothing_of_its_own_is_in_it(shop: Pod) -> None:
    made = drawn(shop, live(shop))
    assert made == drawn(shop, live(shop))
    for word in ("hunter2", "plain-and-known", "c" * 40):
        assert word not in made.text + "".join(made.notes)
    found = read_blueprint(made.text)
    asked = {one.name: (one.kind, one.generate, one.required) for one in found.inputs}
    assert asked == {
        "host": ("hostname", 0, True), "host_2": ("hostname", 0, True),
        "secret_key": ("secret", 40, False), "secret_key_2": ("secret", 40, False),
        "admin_password": ("secret", 40, False), "site_password": ("secret", 40, False),
        "stripe_api_key": ("secret", 0, True), "smtp_password": ("secret", 0, True),
        "token": ("text", 0, True), "password": ("text", 0, True),
    }  # fmt: skip
    host = shop.hosts.get(custom=False).host
    for words in (
        "Asked for in place of the pod's own: www.example.com, example.com.",
        "The secret more.SECRET_KEY is made up anew",
        "The secret settings.SMTP_PASSWORD is asked for.",
        "settings.TOKEN looks like a secret",
        f"own is built from brainpod:{shop.team.slug}/shop/own, which is deleted with the pod",
        f"settings says {host}, which is this pod's",
    ):
        assert any(note.startswith(words) for note in made.notes), (words, made.notes)


def test_what_is_installed_from_it_is_the_same_pod(shop: Pod, alice: User) -> None:
    row = actions.add(team=shop.team, text=drawn(shop, live(shop)).text, by=alice)
    given = {
        "host": "www.example.net", "host_2": "example.net", "stripe_api_key": "s", "smtp_password": "p",
        "token": "t", "password": "q",
    }  # fmt: skip
    pod = actions.install_new(
        team=shop.team, name="again", blueprint=read_blueprint(row.text), given=given, by=alice
    )  # fmt: skip
    assert pod.draft is not None
    before = {name: described(one) for name, one in live(shop).snapshot().items()}
    after = {name: described(one) for name, one in pod.draft.snapshot().items()}
    settings = after["settings"]["variables"]
    assert settings["SITE"] == "https://www.example.net/x"
    assert settings["HOSTS"] == "www.example.net,example.net,xwww.example.com,${site.host}"
    assert settings["DB"] == before["settings"]["variables"]["DB"]
    assert after["web"]["env"] == {"HOME_URL": "http://${site.host}/", "PASSWORD": "q"}
    assert after["web"]["startCommand"] == "serve --name www.example.net"
    assert after["web"]["source"] == {"repo": "https://www.example.com/you/shop.git", "branch": "main"}
    assert after["site"]["domains"] == ["www.example.net", "example.net"]
    assert after["site"]["redirects"][0]["target"] == "https://www.example.net/new"
    assert after["site"]["password"] is True
    for name in ("data", "up", "db", "own", "more"):
        assert after[name] == before[name]


def test_domains_that_stand_nowhere_else_may_be_left_out(team: Team, alice: User) -> None:
    pod = pods.create_pod(team=team, name="plain", by=alice)
    pods.save_resource(pod=pod, kind="App", name="web", spec=STATIC, by=alice, create=True)
    spec = {"domains": ["xn--bcher-kva.example"], "rules": [{"path": "/", "app": "web"}]}
    row = pods.save_resource(pod=pod, kind="Route", name="site", spec=spec, by=alice, create=True)
    made = drawn(pod, row.revision)
    assert "Domain in place of bücher.example" in made.text
    found = read_blueprint(made.text)
    assert [(one.name, one.required) for one in found.inputs] == [("host", False)]
    other = actions.install_new(team=team, name="other", blueprint=found, given={}, by=alice)
    assert other.draft is not None
    assert not other.draft.snapshot()["site"].spec["domains"]


def test_it_is_seen_before_it_is_saved(
    shop: Pod, team: Team, bob: User, vera: User, client_of: Callable[..., Client]
) -> None:
    client = client_of(bob)
    for where in ("/pods/shop/", "/pods/shop/settings/"):
        assert "/pods/shop/blueprint/" in client.get(where).content.decode()
    page = client.get("/pods/shop/blueprint/")
    text = drawn(shop, live(shop)).text
    assert "What became of it" in page.content.decode()
    assert "is made up anew" in page.content.decode()
    assert not TeamBlueprint.objects.exists()
    at = f"/teams/{team.slug}/blueprints/"
    bad = client.post(at, {"text": text.replace("kind: hostname", "kind: host", 1)})
    assert bad.status_code == 422
    assert "must be one of text, secret" in bad.content.decode()
    saved = client.post(at, {"text": text.replace("title: shop", "title: A shop").replace("\n", "\r\n")})
    assert saved.status_code == 302
    assert "A shop" in client.get("/blueprints/").content.decode()
    assert client_of(vera).get("/pods/shop/blueprint/").status_code == 403
    guest = make_user("guest")
    join(team, guest, Role.VIEWER)
    shop.roles.create(membership=team.memberships.get(user=guest), role=Role.DEVELOPER)
    assert client_of(guest).get("/pods/shop/imports/").status_code == 200
    assert client_of(guest).get("/pods/shop/blueprint/").status_code == 403, "blueprints are the team's"
    Pod.objects.update(live=None)
    assert client.get("/pods/shop/blueprint/").status_code == 404


def test_the_commands(shop: Pod, team: Team, capsys: Any, tmp_path: Path) -> None:
    call_command("blueprint", "draw", "shop")
    said = capsys.readouterr()
    assert "which is deleted with the pod" in said.err
    file = tmp_path / "shop.yaml"
    file.write_text(said.out)
    call_command("blueprint", "add", str(file), "--team", team.slug)
    assert TeamBlueprint.objects.get().text == said.out
    file.write_bytes(b"\xff\xfe: [")
    for wrong in (
        ["draw", "nothing"], ["add", str(file), "--team", team.slug], ["add", "/no/such", "--team", team.slug],
        ["add", str(file), "--team", "nobody"],
    ):  # fmt: skip
        with pytest.raises(CommandError):
            call_command("blueprint", *wrong)
