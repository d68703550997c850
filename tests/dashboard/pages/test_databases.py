"""Databases on the pages: made with their disk in one go, their states, their passwords, and what deleting asks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps import secretstore
from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.core.errors import PlatformError
from apps.dashboard.resource_pages import new_form
from apps.deployments.models import AppEvent, Deployment
from apps.pods import actions, databases, kinds
from apps.pods.models import Pod, Revision
from apps.secretstore.base import SecretStore
from apps.servers.base import Installed
from tests.dashboard.pages.conftest import APP, make_pod, seal, serve, spec
from tests.people import join, make_user

pytestmark = pytest.mark.django_db
KINDS = ("PostgresDB", "MariaDB", "Valkey")


@pytest.fixture
def store(openbao: SecretStore, monkeypatch: pytest.MonkeyPatch) -> SecretStore:
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    monkeypatch.setattr(databases, "secret_store", lambda: openbao)
    return openbao


def shop(team: Team, *, live: bool = True, kind: str = "PostgresDB") -> Revision:
    app = spec("App", **APP) | {"env": [{"name": "DATABASE_URL", "value": "${db.uri}"}]}
    resources = {
        "data": ("Disk", spec("Disk", size=5)),
        "db": (kind, spec(kind, disk="data") | {"credentials": 1}),
        "web": ("App", app),
    }
    return seal(make_pod(team), 1, resources, live=live)


def page(client: Client, pod: Pod, name: str = "db", **query: str) -> str:
    answer = client.get(reverse("resource", args=[pod.name, name]), query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def state_of(text: str) -> str:
    found = re.search(r'data-state="([a-z_]+)"', text[text.index('id="overview"') :])
    assert found
    return found[1]


def fresh(pod: Pod) -> Pod:
    return Pod.objects.select_related("head", "live").get(pk=pod.pk)


@pytest.mark.parametrize("kind", KINDS)
def test_a_database_is_made_with_its_disk(
    store: SecretStore, team: Team, alice: User, client_of: Callable[..., Client], kind: str
) -> None:
    pod, client = make_pod(team), client_of(alice)
    address = reverse("resource-new", args=[pod.name, kind])
    form = client.get(address).content.decode()
    assert "A new disk" in form
    given = {"name": "db", "instance": ".5x", "disk": "", "newDisk": "7"}
    assert client.post(address, given).status_code == 302
    draft = fresh(pod).draft
    assert draft
    made = {row.name: row for row in draft.resources.all()}
    assert set(made) == {"db", "db-data"}
    assert (made["db"].spec["disk"], made["db"].spec["credentials"]) == ("db-data", 1)
    assert made["db-data"].spec["size"] == 7
    assert "newDisk" not in made["db"].spec
    again = client.post(address, given | {"name": "other", "disk": "db-data"})
    assert again.status_code == 302, "a disk that is there is taken as it is"
    assert fresh(pod).draft.resources.count() == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("field", "value"), [("newDisk", "1"), ("newDisk", "many"), ("name", "Not A Name"), ("instance", "9x")]
)
def test_what_does_not_hold_makes_neither(
    store: SecretStore, team: Team, alice: User, client_of: Callable[..., Client], field: str, value: str
) -> None:
    pod = make_pod(team)
    given = {"name": "db", "instance": ".5x", "disk": "", "newDisk": "7", field: value}
    answer = client_of(alice).post(reverse("resource-new", args=[pod.name, "Valkey"]), given)
    assert answer.status_code == 422
    assert f'id="field_{field}-errors"' in answer.content.decode()
    draft = fresh(pod).draft
    assert draft is None or not draft.resources.exists()


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([{"state": "healthy"}], "active"),
        ([{"state": "unhealthy"}], "degraded"),
        ([{"state": "starting"}], "restarting"),
        ([{"state": "draining", "serving": False}, {"state": "starting", "serving": False}], "restarting"),
        ([], "stopped"),
    ],
)
def test_the_states_of_one_that_is_live(
    team: Team, alice: User, client_of: Callable[..., Client], rows: list[dict[str, Any]], state: str
) -> None:
    revision, client = shop(team), client_of(alice)
    for fields in rows:
        serve(revision, "db", **fields)
    assert state_of(page(client, revision.pod)) == state
    the_map = client.get(reverse("pod", args=[revision.pod.name])).content.decode()
    node = the_map[the_map.index('data-node="db"') :]
    assert f'data-state="{state}"' in node[: node.index("</article>")]
    assert 'data-to="data"' in node[: node.index(">")]
    assert 'data-node="web" data-to="db"' in the_map


def test_one_that_starts_for_the_first_time_is_provisioning(
    team: Team, alice: User, client_of: Callable[..., Client]
) -> None:
    revision, client = shop(team, live=False), client_of(alice)
    assert state_of(page(client, revision.pod)) == "not_deployed"
    serve(revision, "db", state="starting", serving=False)
    assert state_of(page(client, revision.pod)) == "provisioning"


def test_its_page_says_how_it_is_reached_and_no_password(
    store: SecretStore, team: Team, alice: User, client_of: Callable[..., Client]
) -> None:
    revision, client = shop(team), client_of(alice)
    databases.make_credentials(revision.pod, "db")
    serve(revision, "db")
    text = page(client, revision.pod)
    for part in ("uri", "host", "port", "user", "database", "password"):
        assert f"${{db.{part}}}" in text
    assert "postgres://brainpod:••••••••@" in text
    assert "PostgreSQL 18" in text
    assert "Used by <a" in text
    assert "Restart" in text
    for tab in ("metrics", "configuration"):
        assert f"?tab={tab}" in text
        page(client, revision.pod, tab=tab)
    assert "tab=requests" not in text
    viewer = join(team, make_user("viewer"), Role.VIEWER)
    assert "Show the password" not in page(client_of(viewer), revision.pod)
    answer = client.post(reverse("database-password", args=[revision.pod.name, "db"]))
    shown = re.search(r"postgres://brainpod:([A-Za-z0-9_%-]{32})@", answer.content.decode())
    assert shown
    assert "no-store" in answer.headers["Cache-Control"]
    told = AppEvent.objects.get(pod=revision.pod, kind="password")
    assert (told.actor, told.app) == (alice, "db")
    assert shown[1] not in page(client, revision.pod)


@pytest.mark.parametrize("route", ["database-password", "database-rotation"])
@pytest.mark.parametrize("name", ["web", "nothing"])
def test_what_is_no_database_has_no_passwords(
    team: Team, alice: User, client_of: Callable[..., Client], route: str, name: str
) -> None:
    revision = shop(team)
    assert client_of(alice).post(reverse(route, args=[revision.pod.name, name])).status_code == 404


def test_rotating_deploys_new_passwords_and_nothing_of_the_draft(
    store: SecretStore, team: Team, alice: User, client_of: Callable[..., Client]
) -> None:
    revision, client = shop(team), client_of(alice)
    assert databases.make_credentials(revision.pod, "db") == 1
    client.post(reverse("resource-new", args=[revision.pod.name, "Disk"]), {"name": "mine", "size": "5"})
    answer = client.post(reverse("database-rotation", args=[revision.pod.name, "db"]))
    deployment = Deployment.objects.get()
    assert answer.headers["Location"] == reverse("deployment", args=[revision.pod.name, deployment.pk])
    made = deployment.revision.snapshot()
    assert made["db"].spec["credentials"] == 2
    assert "mine" not in made
    draft = deployment.revision.pod.revisions.get(sealed_at=None)
    assert draft.snapshot()["db"].spec["credentials"] == 2
    assert "mine" in draft.snapshot()


def test_a_disk_goes_only_by_its_name(team: Team, alice: User, client_of: Callable[..., Client]) -> None:
    revision, client = shop(team), client_of(alice)
    address = reverse("resource-deletion", args=[revision.pod.name, "data"])
    for typed in ({}, {"confirmation": "other"}):
        assert client.post(address, typed).status_code == 422
    assert fresh(revision.pod).draft is None
    assert client.post(address, {"confirmation": "data"}).status_code == 302
    assert client.post(reverse("resource-deletion", args=[revision.pod.name, "db"])).status_code == 302
    draft = fresh(revision.pod).draft
    assert draft
    assert set(draft.snapshot()) == {"web"}


def test_what_the_platform_counts_itself_is_no_setting(
    store: SecretStore, team: Team, alice: User, client_of: Callable[..., Client]
) -> None:
    revision, client = shop(team), client_of(alice)
    for text in (
        page(client, revision.pod),
        client.get(reverse("revision", args=[revision.pod.name, revision.version])).content.decode(),
    ):
        assert "<code>disk</code>" in text
        assert "<code>credentials</code>" not in text


def test_a_database_goes_through_the_stages_it_has(
    store: SecretStore, team: Team, alice: User, client_of: Callable[..., Client]
) -> None:
    revision, client = shop(team), client_of(alice)
    deployment = Deployment.objects.create(pod=revision.pod, revision=revision, trigger="manual", actor=alice)
    for stage in ("launch", "health"):
        deployment.stages.create(stage=stage, app="db", state="passed")
    text = client.get(reverse("deployment", args=[revision.pod.name, deployment.pk])).content.decode()
    stages = text[text.index("Stages of db") :].partition("</ol>")[0]
    assert re.findall(r'stage-title">([^<]+)', stages) == ["Launch", "Health check"]


def test_passwords_of_a_draft_that_is_given_up_are_forgotten(
    store: SecretStore, team: Team, alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    pod = shop(team).pod
    path = databases.credentials_path(pod.pk, "more")

    def add() -> int:
        spec_of = {"version": "18", "disk": "more-data"}
        if "more-data" not in actions.draft(pod=pod, by=alice).snapshot():
            actions.save_resource(pod=pod, kind="Disk", name="more-data", spec={"size": 5}, by=alice, create=True)
        made = actions.save_resource(pod=pod, kind="PostgresDB", name="more", spec=spec_of, by=alice, create=True)
        return int(made.spec["credentials"])

    def gone(version: int) -> bool:
        try:
            store.read(path, version)
        except PlatformError as error:
            return error.code == "secret_missing"
        return False

    live = store.write(databases.credentials_path(pod.pk, "db"), {"password": "of what is live"})
    assert live == 1
    for give_up in (
        lambda: actions.delete_resource(pod=pod, name="more", by=alice),
        lambda: actions.copy_revision(revision=fresh(pod).live, by=alice, replace=True),
        lambda: actions.discard_draft(pod=pod, by=alice),
    ):
        version = add()
        assert not gone(version)
        with django_capture_on_commit_callbacks(execute=True):
            give_up()
        assert gone(version)
    version = add()
    actions.copy_revision(revision=actions.seal(pod=pod, summary="", by=alice), by=alice)
    with django_capture_on_commit_callbacks(execute=True):
        actions.delete_resource(pod=pod, name="more", by=alice)
        actions.delete_resource(pod=pod, name="db", by=alice)
        actions.discard_draft(pod=pod, by=alice)
    assert not gone(version), "a revision names them"
    assert store.read(databases.credentials_path(pod.pk, "db"), 1)


def test_a_new_key_stands_beside_what_refreshes_itself(
    team: Team, alice: User, client_of: Callable[..., Client]
) -> None:
    web = spec("App", **APP | {"type": "mcp", "mcpKey": True})
    pod = seal(make_pod(team), 1, {"web": ("App", web)}).pod
    client = client_of(alice)
    text = page(client, pod, "web")
    assert text.index('id="app_keys"') < text.index('id="new_key"')
    assert 'hx-target="#new_key"' in text
    answer = client.post(reverse("app-keys", args=[pod.name, "web"]), headers={"HX-Request": "true"})
    made = re.search(r"bpk_[0-9a-z]{8}_[\w-]{43}", answer.content.decode())
    assert made
    assert 'id="app_keys"' not in answer.content.decode()
    assert made[0] not in page(client, pod, "web")


@pytest.mark.parametrize(
    ("there", "engine", "offered"),
    [(("15", "16"), "", "16"), (("15",), "docker", "18"), ((), "", "18")],
)
def test_the_form_begins_with_the_newest_version_of_this_host(
    team: Team, there: tuple[str, ...], engine: str, offered: str
) -> None:
    pod = shop(team).pod
    Revision.objects.filter(pod=pod).update(engine=engine)
    kind = kinds.get("PostgresDB")
    assert kind.server is not None
    server = replace(kind.server, installed=lambda: {line: Installed(f"{line}.1", ()) for line in there})
    form = new_form(fresh(pod), replace(kind, server=server))
    assert form.spec["version"] == offered
