"""Databases of pods at servers that they share with others, looked into."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import reverse

from apps import sql
from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.core.errors import Conflict, UserError
from apps.core.ids import new_id
from apps.databases import actions
from apps.databases.models import Entry
from apps.databases.targets import Target, of_pod, of_service
from apps.infrastructure import credentials, sharing
from apps.infrastructure.models import Allotment, Service
from apps.pods.databases import ADMIN_PASSWORD, PASSWORD, credentials_path, shared_name
from apps.pods.models import Pod
from apps.secretstore.base import SecretStore
from apps.sql.base import Where
from tests.dashboard.pages.conftest import make_pod, seal, spec
from tests.people import join, make_team, make_user
from tests.stack import databases as stack
from tests.stack.databases import Running

pytestmark = pytest.mark.django_db
TYPES = {"PostgresDB": "postgresql", "MariaDB": "mariadb"}
WRITES = ("INSERT INTO kept VALUES (1)", "COMMIT; DELETE FROM kept", "DROP TABLE kept", "CREATE TABLE more (n int)")


@dataclass(frozen=True)
class Lent:
    pod: Pod
    row: Allotment

    @property
    def target(self) -> Target:
        return of_pod(self.pod, "db")

    @property
    def name(self) -> str:
        return self.row.database


@pytest.fixture(params=["PostgresDB", "MariaDB"])
def service(
    request: pytest.FixtureRequest,
    servers: Callable[[str], Running],
    store: SecretStore,
    monkeypatch: pytest.MonkeyPatch,
) -> Service:
    monkeypatch.setattr(credentials, "store", lambda: store)
    server = servers(request.param)
    made = Service(name="main", type=TYPES[request.param], managed=True, shared=True, engine="process")
    made.user, made.run, made.handle = server.admin, "run", {"tcp": f"127.0.0.1:{server.port}"}
    credentials.keep(made, stack.ADMIN)
    made.save()
    return made


@pytest.fixture
def lent(service: Service, store: SecretStore, team: Team) -> Iterator[Lent]:
    with _lend(service, store, team) as made:
        yield made


@pytest.fixture
def theirs(service: Service, store: SecretStore) -> Iterator[Lent]:
    with _lend(service, store, make_team("theirs")) as made:
        yield made


@contextmanager
def _lend(service: Service, store: SecretStore, team: Team) -> Iterator[Lent]:
    """A live pod with a database there, which has a table."""
    pod = make_pod(team)
    password = f"password-{new_id()}"
    version = store.write(credentials_path(pod.pk, "db"), {PASSWORD: password, ADMIN_PASSWORD: "unused"})
    kind = {type: kind for kind, type in TYPES.items()}[service.type]
    seal(pod, 1, {"db": (kind, spec(kind, server="main", version="") | {"credentials": version})})
    name = shared_name(pod.pk, "db")
    sharing.have(service, pod=pod, resource="db", database=name, password=password, version=version)
    live = Pod.objects.select_related("live", "head", "team").get(pk=pod.pk)
    made = Lent(live, Allotment.objects.get(database=name))
    for statement in ("CREATE TABLE kept (n int PRIMARY KEY)", "INSERT INTO kept VALUES (7351)"):
        _ask(made, statement, write=True)
    yield made
    for row in Allotment.objects.filter(database=name):
        sharing.release(row)
        row.refresh_from_db()
        sharing.drop(row, confirm=name, by=None)


def _ask(lent: Lent, text: str, *, write: bool, database: str = "") -> list[tuple[object, ...]]:
    name = database or lent.name
    with lent.target.open(name, write=write) as server:
        return list(server.query(name, text, read_only=not write).rows)


def test_who_only_looks_reads_the_one_database_and_changes_nothing(lent: Lent, theirs: Lent) -> None:
    assert _ask(lent, "SELECT n FROM kept", write=False) == [(7351,)]
    _ask(lent, "CREATE TABLE later (n int)", write=True)
    assert _ask(lent, "SELECT n FROM later", write=False) == [], "made after the reader was"
    for text in WRITES:
        with pytest.raises(UserError):
            _ask(lent, text, write=False)
    assert _ask(lent, "SELECT n FROM kept", write=False) == [(7351,)]
    _ask(theirs, "SELECT n FROM kept", write=False)  # its reader is there too
    for write in (True, False):
        with pytest.raises(UserError):
            _ask(lent, "SELECT n FROM kept", write=write, database=theirs.name)
    for reading in (lent.target.reader, lent.target.apps):
        assert reading is not None
        with sql.open(reading) as server, pytest.raises(UserError):
            server.query(theirs.name, "SELECT n FROM kept", read_only=True)


def test_of_the_server_only_ones_own_is_spoken_of(
    lent: Lent, theirs: Lent, alice: User, team: Team, client_of: Callable[..., Client]
) -> None:
    vera = join(team, make_user(f"v{new_id()}"), Role.VIEWER)
    for client in (client_of(alice), client_of(vera)):
        for page in ("database-data", "database-console"):
            shown = html.unescape(client.get(reverse(page, args=[lent.pod.name, "db"])).content.decode())
            assert lent.name in shown
            assert theirs.name not in shown, page
            assert "a new database" not in shown
            assert reverse("database-users", args=[lent.pod.name, "db"]) not in shown
        rows = reverse("database-rows", args=[lent.pod.name, "db"])
        place = {"database": lent.name, "schema": "", "table": "kept"}
        assert "7351" in client.get(rows, place).content.decode()
        assert client.get(rows, place | {"database": theirs.name}).status_code in (403, 404, 409, 422)
    asked = client_of(vera).post(
        reverse("database-statement", args=[lent.pod.name, "db"]),
        {"database": lent.name, "text": "DELETE FROM kept"}, headers={"HX-Request": "true"},
    )  # fmt: skip
    assert asked.status_code == 200
    assert _ask(lent, "SELECT n FROM kept", write=False) == [(7351,)]
    assert Entry.objects.filter(pod=lent.pod, user=vera, state="done", words="DELETE FROM kept").count() == 0
    resource = client_of(vera).get(reverse("resource", args=[lent.pod.name, "db"])).content.decode()
    assert reverse("database-data", args=[lent.pod.name, "db"]) in resource


def test_databases_and_users_are_the_operators(lent: Lent, alice: User, client_of: Callable[..., Client]) -> None:
    target = lent.target
    for change in (
        lambda: actions.create_database(target=target, by=alice, name="more"),
        lambda: actions.delete_database(target=target, by=alice, name="more"),
        lambda: actions.create_user(target=target, by=alice, name="more"),
        lambda: actions.change_privileges(
            target=target, by=alice, name="more", database=lent.name, privileges=["ALL"], granted=True
        ),
    ):
        with pytest.raises(Conflict, match="others have theirs there"):
            change()
    assert client_of(alice).get(reverse("database-users", args=[lent.pod.name, "db"])).status_code == 409


def test_the_reader_goes_with_the_database(lent: Lent, service: Service) -> None:
    _ask(lent, "SELECT n FROM kept", write=False)
    reader = lent.target.reader
    assert isinstance(reader, Where)
    assert len(reader.username) <= 32
    assert reader.username in _users(service)
    sharing.release(lent.row)
    assert reader.username not in _users(service)
    lent.row.refresh_from_db()
    sharing.drop(lent.row, confirm=lent.name, by=None)
    assert lent.name not in _users(service)
    with of_service(service).open_admin() as server:
        assert lent.name not in {it.name for it in server.databases()}


def _users(service: Service) -> set[str]:
    with of_service(service).open_admin() as server:
        return {it.name for it in server.users()}
