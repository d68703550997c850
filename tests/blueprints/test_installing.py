"""Installing: into a new pod and one that is there, by pages, commands and the API; a team's own; nothing half done."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.audit.models import AuditEntry
from apps.blueprints import actions
from apps.blueprints.models import TeamBlueprint
from apps.blueprints.reading import read_blueprint
from apps.core.errors import Conflict, Invalid
from apps.deployments.models import Deployment
from apps.pods import actions as pods
from apps.pods.models import Pod
from apps.servers.mariadb import MARIADB
from tests.api.conftest import ask, program  # noqa: F401
from tests.blueprints.conftest import EVERY
from tests.people import join, make_team, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("store")]
GIVEN = {"title": "Tom", "key": "hunter2-the-key"}


def files(store: Path, name: str) -> list[str]:
    at = ["git", "--git-dir", str(store / "repositories" / name), "ls-tree", "-r", "--name-only", "main"]
    return subprocess.run(at, check=True, capture_output=True, text=True).stdout.split()


def repositories(store: Path) -> list[str]:
    return sorted("/".join(path.parts[-2:]) for path in store.glob("repositories/*/*/*.git"))


DATABASES = """
version: 1
blueprint: kept
title: Kept
tagline: Two databases.
description: Two databases.
category: software
resources:
  Disk: {a-data: {size: 5}, b-data: {size: 5}}
  MariaDB: {a: {disk: a-data}, b: {version: '11.4', disk: b-data}}
"""


HERE = [version for version in MARIADB.versions if version in MARIADB.installed()]


def test_a_database_without_a_version_gets_the_one_of_this_host(team: Team, alice: User) -> None:
    pod = actions.install_new(team=team, name="kept", blueprint=read_blueprint(DATABASES), given={}, by=alice)
    assert pod.draft is not None
    found = pod.draft.snapshot()
    assert (found["a"].spec["version"], found["b"].spec["version"]) == (HERE[0], "11.4")


def test_a_new_pod_has_its_code_and_its_secrets(team: Team, alice: User, store: Path) -> None:
    found = read_blueprint(EVERY)
    pod = actions.install_new(team=team, name="shop", blueprint=found, given=GIVEN, by=alice)
    assert pod.draft is not None
    there = pod.draft.snapshot()
    assert set(there) == {"settings", "data", "web", "worker", "site"}
    assert there["data"].spec["size"] == 10
    assert there["settings"].spec["secrets"] == {"KEY": 1}
    assert "hunter2" not in str({name: one.spec for name, one in there.items()})
    assert repositories(store) == ["shop/web.git"], "the worker has the code of web"
    assert files(store, f"{team.slug}/shop/web.git") == ["Procfile", "app/main.py"]
    assert (
        there["worker"].spec["source"]["repo"]
        == there["web"].spec["source"]["repo"]
        == f"brainpod:{team.slug}/shop/web"
    )
    entry = AuditEntry.objects.get(verb="blueprint.install")
    assert (entry.user, entry.name, entry.details["blueprint"]) == (alice, "shop", "every-kind")


def test_what_is_there_stays_and_what_is_taken_refuses_everything(team: Team, alice: User, store: Path) -> None:
    found = read_blueprint(EVERY)
    pod = pods.create_pod(team=team, name="shop", by=alice)
    pods.save_resource(pod=pod, kind="Config", name="other", spec={}, by=alice, create=True)
    row = actions.install(pod=pod, blueprint=found, given=GIVEN, by=alice)
    assert "other" in row.snapshot()
    before = repositories(store)
    with pytest.raises(Conflict) as caught:
        actions.install(pod=pod, blueprint=found, given=GIVEN, by=alice)
    assert caught.value.code == "repository_exists"
    assert repositories(store) == before, "those that were there stay"
    second = pods.create_pod(team=team, name="second", by=alice)
    pods.save_resource(pod=second, kind="Config", name="settings", spec={}, by=alice, create=True)
    with pytest.raises(Conflict) as caught:
        actions.install(pod=second, blueprint=found, given=GIVEN, by=alice)
    assert caught.value.code == "name_taken"
    assert repositories(store) == before, "what was made for it is gone"
    assert set(Pod.objects.get(name="second").draft.snapshot()) == {"settings"}  # type: ignore[union-attr]


def test_what_is_refused_makes_no_pod(team: Team, alice: User, store: Path) -> None:
    found = read_blueprint(EVERY)
    for given in ({}, {"title": "x", "host": f"www.{'localhost'}"}):
        with pytest.raises(Invalid):
            actions.install_new(team=team, name="shop", blueprint=found, given=given, by=alice)
    pods.create_pod(team=team, name="taken", by=alice)
    with pytest.raises(Conflict):
        actions.install_new(team=team, name="taken", blueprint=found, given=GIVEN, by=alice)
    assert [pod.name for pod in Pod.objects.all()] == ["taken"]
    assert not repositories(store)


def test_it_is_installed_in_the_dashboard(team: Team, bob: User, client_of: Callable[..., Client]) -> None:
    client = client_of(bob)
    page = client.get("/blueprints/").content.decode()
    assert "Django with PostgreSQL" in page
    assert "Node-RED" not in client.get("/blueprints/?q=python+postgresql").content.decode()
    assert "No blueprint matches" in client.get("/blueprints/?q=nothing-of-that-kind").content.decode()
    assert "/blueprints/" in client.get("/pods/new/").content.decode()
    at = "/blueprints/django-postgresql/"
    page = client.get(at).content.decode()
    assert "Made up if left empty" in page
    given = {"team": team.slug, "name": "shop", "input-site_name": "Ours", "input-admin_email": "not an address"}
    wrong = client.post(at, given)
    assert wrong.status_code == 422
    assert 'id="id_input-admin_email-errors"' in wrong.content.decode()
    assert not Pod.objects.exists()
    assert client.post(at, given | {"input-admin_email": "a@b.c", "name": "No Name"}).status_code == 422
    assert client.post(at, given | {"input-admin_email": "a@b.c", "team": "elsewhere"}).status_code == 422
    done = client.post(at, given | {"input-admin_email": "a@b.c", "action": "draft"})
    assert (done.status_code, done["Location"]) == (302, "/pods/shop/draft/")
    assert not Deployment.objects.exists()
    assert "Ours" in client.get("/pods/shop/brainpod.yaml").content.decode()
    again = client.post(at, given | {"input-admin_email": "a@b.c"})
    assert again.status_code == 422
    assert "is taken" in again.content.decode() or "already" in again.content.decode()
    done = client.post(at, given | {"input-admin_email": "a@b.c", "name": "live", "action": "deploy"})
    assert done["Location"] == f"/pods/live/deployments/{Deployment.objects.get().pk}/"


def test_a_team_has_its_own(team: Team, bob: User, vera: User, client_of: Callable[..., Client]) -> None:
    client, at = client_of(bob), f"/teams/{team.slug}/blueprints/"
    bad = client.post(at, {"text": EVERY.replace("kind: hostname", "kind: host")})
    assert bad.status_code == 422
    assert "Line 23, column 5" in bad.content.decode()
    assert client.post(at, {}).status_code == 422
    assert client.post(at, {"file": SimpleUploadedFile("b.yaml", EVERY.encode())}).status_code == 302
    assert client.post(at, {"text": EVERY}).status_code == 422, "the name is the team's"
    shipped = "version: 1\nblueprint: static-site\ntitle: X\nresources: {}\n"
    assert client.post(at, {"text": shipped}).status_code == 422, "the name is everybody's"
    assert "Every kind" in client.get("/blueprints/").content.decode()
    assert "One input of each" in client.get(f"{at}every-kind/").content.decode()
    mine = f"/blueprints/every-kind/?of={team.slug}"
    assert client.get(mine).status_code == 200
    done = client.post(mine, {"team": team.slug, "name": "own", "input-title": "T", "input-size": "5"})
    assert done.status_code == 302, done.content.decode()[-2000:]
    assert client_of(vera).get(at).status_code == 403
    stranger = make_user("stranger")
    join(make_team("elsewhere"), stranger, Role.OWNER)
    other = client_of(stranger)
    assert "Every kind" not in other.get("/blueprints/").content.decode()
    assert other.get(mine).status_code == other.get("/blueprints/every-kind/?of=elsewhere").status_code == 404
    assert client.delete(f"{at}every-kind/").status_code == 302
    assert not TeamBlueprint.objects.exists()
    assert Pod.objects.filter(name="own").exists()


def test_a_stored_one_that_holds_no_more_hides_nothing_else(team: Team, bob: User, client_of: Any) -> None:
    TeamBlueprint.objects.create(team=team, name="old", text="version: 0")
    client = client_of(bob)
    assert "Static site" in client.get("/blueprints/").content.decode()
    assert client.get(f"/blueprints/old/?of={team.slug}").status_code == 422


def test_the_commands(team: Team, capsys: Any, tmp_path: Path) -> None:
    call_command("blueprint", "list")
    assert "static-site" in capsys.readouterr().out
    call_command("blueprint", "show", "django-postgresql")
    assert "admin_password (secret; made up if not given)" in capsys.readouterr().out
    password = tmp_path / "password"
    password.write_text("a-long-password\n")
    words = ["--team", team.slug, "--input", "admin_email=a@b.c", "--input-file", f"admin_password={password}"]
    call_command("blueprint", "install", "django-postgresql", "shop", *words, "--deploy")
    assert Deployment.objects.get().pod.name == "shop"
    assert "a-long-password" not in capsys.readouterr().out
    for wrong in (
        ["show", "nothing"], ["install", "static-site", "x"], ["install", "static-site", "x", "--team", "nobody"],
        ["install", "static-site", "x", "--team", team.slug, "--input", "host"],
        ["install", "static-site", "x", "--team", team.slug, "--input", "color=red"],
        ["install", "django-postgresql", "y", "--team", team.slug, "--input-file", "admin_email=/no/such/file"],
    ):  # fmt: skip
        with pytest.raises(CommandError):
            call_command("blueprint", *wrong)
    assert Pod.objects.count() == 1


def test_the_api(team: Team, ask: Any, alice: User) -> None:  # noqa: F811
    TeamBlueprint.objects.create(team=team, name="every-kind", text=EVERY)
    pod = pods.create_pod(team=team, name="shop", by=alice)
    names = {one["id"] for one in ask.get("/blueprints").said}
    assert {"every-kind", "static-site", "django-postgresql"} <= names
    one = ask.get("/blueprints/every-kind").said
    assert one["defaults"] == {"size": "10"}
    assert one["inputSchema"]["required"] == ["title"]
    assert one["inputSchema"]["properties"]["size"]["enum"] == ["5", "10"]
    assert ask.get("/blueprints/nothing").status == 404
    at = "/pods/shop/blueprints/every-kind/install"
    wrong = ask.post(at, {"input": {"fast": "maybe", "other": 1}})
    assert wrong.status in (400, 422)
    assert sorted(wrong.paths) == ["input.fast", "input.other", "input.title"]
    assert ask.post(at, {"inputs": {}}).status in (400, 422)
    assert pod.draft is None
    made = ask.post(at, {"input": {"title": "T", "fast": True}})
    assert made.status == 201
    assert {resource["content"]["metadata"]["name"] for resource in made.said["resources"]} == {
        "settings", "data", "web", "worker", "site",
    }  # fmt: skip
    assert not Deployment.objects.exists()
