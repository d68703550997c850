"""The infrastructure API over HTTP, endpoint by endpoint, with real servers behind it."""

from __future__ import annotations

import dataclasses
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.test import Client

from apps.accounts import tokens
from apps.accounts.models import Team, User
from apps.audit.models import AuditEntry
from apps.databases.models import Entry
from apps.flatrun import door
from apps.infrastructure import actions, builtin, lifecycle
from apps.infrastructure.models import Allotment, Service, Type
from apps.infrastructure.standing import Standing
from apps.servers.catalogue import SERVERS
from apps.sql.base import READER
from tests.flatrun.conftest import healthy

KINDS = {"postgresql": "PostgresDB", "mariadb": "MariaDB", "mysql": "MariaDB"}
DATABASES = [
    "test", "list", "tables", "tables/data", "tables/schema", "query", "create", "delete", "users", "users/by-database",
    "users/create", "users/delete", "privileges/grant", "privileges/revoke",
]  # fmt: skip
GETS = ["infrastructure", "infrastructure/stats", "infrastructure/nginx", "infrastructure/nginx/logs"]
POSTS = [f"infrastructure/nginx/{verb}" for verb in ("start", "stop", "restart")] + [
    f"databases/{d}" for d in DATABASES
]


@dataclass
class Agent:
    """A client of the API, over HTTP."""

    url: str
    token: str = field(repr=False)

    def get(self, path: str, **query: str) -> httpx.Response:
        return httpx.get(f"{self.url}/api/{path}", params=query, headers=self._headers(), timeout=60)

    def post(self, path: str, **sent: Any) -> httpx.Response:
        return httpx.post(f"{self.url}/api/{path}", json=sent, headers=self._headers(), timeout=60)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture
def agent(live_server: Any, operator: User) -> Agent:
    return Agent(live_server.url, tokens.make(user=operator, name="agent", team=None)[1])


@pytest.fixture
def client(operator: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {tokens.make(user=operator, name='a', team=None)[1]}"})


@pytest.fixture
def standings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's own services as they would answer: its processes do not run beside these tests."""
    said = {"nginx": Standing("running", "healthy", "1.29"), "certbot": Standing("stopped")}
    monkeypatch.setattr(builtin, "standing", lambda service: said.get(service.name, Standing("unknown")))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_service_and_its_databases(agent: Agent, standings: None, platform_engine: Any, kind: str) -> None:
    if not SERVERS[KINDS[kind]].installed():
        pytest.skip(f"no {kind} on this host")
    if kind == "postgresql" and not platform_engine.check().sandbox:
        pytest.skip("PostgreSQL refuses users without a name, which root gives pods where there is no sandbox")
    name = f"database-{uuid.uuid4().hex[:6]}"
    service = actions.add_managed(name=name, type=kind, password="a-password-of-24-letters", by=None)
    healthy(service)
    _the_service(agent, service, kind)
    _its_databases(agent, {"type": kind, "host": name})
    _what_is_protected(agent, {"type": kind, "host": name}, service)
    _who_only_reads(agent, {"type": kind, "host": name}, service)
    _its_lifecycle(agent, service)


def _the_service(agent: Agent, service: Service, kind: str) -> None:
    answer = agent.get("infrastructure")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert ": " not in answer.text.split('"config"')[0]
    listed = {one["name"]: one for one in answer.json()["services"]}
    assert set(listed) == {"nginx", "valkey", "openbao", "certbot", service.name}
    one = listed[service.name]
    assert list(one) == [
        "name", "type", "status", "managed", "external", "container_id", "image", "health", "created_at", "config",
    ]  # fmt: skip
    assert (one["type"], one["status"], one["managed"], one["external"]) == (kind, "running", True, False)
    assert (one["health"], one["container_id"]) == ("healthy", service.container_id)
    assert one["created_at"].endswith("Z")
    assert "a-password" not in answer.text
    assert agent.get(f"infrastructure/{service.name}/").json() == {"service": one}
    stats = agent.get("infrastructure/stats").json()
    assert stats == {"stats": {"total_services": 5, "running": 2, "stopped": 1, "external": 0}}
    logs = agent.get(f"infrastructure/{service.name}/logs", tail="3").json()
    assert list(logs) == ["name", "logs"]
    assert len(logs["logs"].splitlines()) <= 3


def _its_databases(agent: Agent, at: dict[str, Any]) -> None:
    def ask(path: str, status: int = 200, **more: Any) -> dict[str, Any]:
        answer = agent.post(f"databases/{path}", **at, **more)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    assert ask("test") == {"success": True, "message": "Connection successful"}
    strange = "shop'; DROP \"x`"
    assert ask("create", 201, db_name=strange) == {"message": "Database created", "name": strange}
    assert "error" in ask("create", 400, db_name=strange)
    (listed,) = [one for one in ask("list")["databases"] if one["name"] == strange]
    assert list(listed) == ["name", "size", "tables"]
    assert listed["tables"] == 0
    ask(
        "query",
        database=strange,
        query="CREATE TABLE items (id int PRIMARY KEY, name varchar(20) NOT NULL DEFAULT 'x')",
    )
    done = ask("query", database=strange, query="INSERT INTO items VALUES (1, 'a<b'), (2, 'c')")
    assert done["count"] == 2
    found = ask("query", database=strange, query="SELECT id, name FROM items ORDER BY id")
    assert found == {"columns": ["id", "name"], "rows": [[1, "a<b"], [2, "c"]], "count": 2}
    assert "error" in ask("query", 400, database=strange, query="DELETE FROM items", read_only=True)
    (table,) = ask("tables", database=strange)["tables"]
    assert list(table) == ["name", "rows", "size", "engine"]
    assert table["name"] == "items"
    data = ask("tables/data", database=strange, table="items", limit=1, offset=1)
    assert data == {"columns": ["id", "name"], "rows": [["2", "c"]], "count": 1}
    assert ask("tables/data", database=strange, table="items")["count"] == 2
    schema = ask("tables/schema", database=strange, table="items")
    assert [(one["name"], one["nullable"], one["key"]) for one in schema["columns"]] == [
        ("id", False, "PRI"), ("name", False, ""),
    ]  # fmt: skip
    assert schema["indexes"][0]["columns"] == ["id"]
    assert (schema["indexes"][0]["unique"], schema["indexes"][0]["primary"]) == (True, True)
    _its_users(agent, at, strange)
    assert ask("delete", db_name=strange) == {"message": "Database deleted", "name": strange}
    assert strange in ask("tables", 400, database=strange)["error"]


def _its_users(agent: Agent, at: dict[str, Any], database: str) -> None:
    def ask(path: str, status: int = 200, **more: Any) -> dict[str, Any]:
        answer = agent.post(f"databases/{path}", **at, **more)
        assert answer.status_code == status, answer.text
        assert "secret-of-kim" not in answer.text
        found: dict[str, Any] = answer.json()
        return found

    kim = {"target_username": "kim"}
    made = ask("users/create", 201, **kim, target_password="secret-of-kim-123")
    assert made == {"message": "User created", "username": "kim"}
    assert "error" in ask("users/create", 400, **kim, target_password="secret-of-kim-123", target_host="10.0.0.1")
    assert "kim" in [one["name"] for one in ask("users")["users"]]
    assert "kim" not in [one["name"] for one in ask("users/by-database", database=database)["users"]]
    asked = {**kim, "target_database": database}
    granted = ask("privileges/grant", **asked)
    assert granted == {"message": "Privileges granted", "username": "kim", "database": database}
    assert "kim" in [one["name"] for one in ask("users/by-database", database=database)["users"]]
    login = {"username": "kim", "password": "secret-of-kim-123", "database": database}
    assert ask("query", **login, query="SELECT count(*) FROM items")["rows"] == [[2]]
    assert ask("privileges/revoke", **asked)["message"] == "Privileges revoked"
    assert "kim" not in [one["name"] for one in ask("users/by-database", database=database)["users"]]
    assert "error" in ask("privileges/grant", 400, **asked, privileges=["EVERYTHING"])
    wrong = ask("test", 400, username="kim", password="not the secret-of-kim"[:8])
    assert (wrong["success"], "kim" in wrong["error"]) == (False, True)
    assert ask("users/delete", **kim) == {"message": "User deleted", "username": "kim"}
    assert "kim" not in [one["name"] for one in ask("users")["users"]]


def _what_is_protected(agent: Agent, at: dict[str, Any], service: Service) -> None:
    """As on the dashboard; who tried is in the book and in the audit log."""
    lent = f"p0_{service.pk}"
    assert agent.post("databases/create", **at, db_name=lent).status_code == 201
    row = Allotment.objects.create(
        service=service, pod_name="shop", team_name="home", resource="db", database=lent, secret=1
    )
    tries = [
        ("delete", "delete database", {"db_name": lent}),
        ("users/delete", "delete user", {"target_username": service.user}),
        ("users/delete", "delete user", {"target_username": lent}),
        ("privileges/grant", "grant", {"target_username": lent, "target_database": "x"}),
        ("privileges/revoke", "revoke", {"target_username": READER, "target_database": lent}),
    ]
    theirs = {"username": service.user, "password": "a-password-of-24-letters"}
    for path, kind, sent in tries:
        for who in ({}, theirs):
            answer = agent.post(f"databases/{path}", **at, **who, **sent)
            assert (answer.status_code, "the platform's own" in answer.json()["error"]) == (400, True), answer.text
            entry = Entry.objects.filter(server=service.name).latest("at")
            assert (entry.kind, entry.state, entry.user) == (kind, "failed", User.objects.get(is_staff=True))
            noted = AuditEntry.objects.filter(verb="database.use").latest("pk")
            assert (noted.details["did"], noted.details["entry"]) == (kind, entry.pk)
    assert lent in [one["name"] for one in agent.post("databases/list", **at).json()["databases"]]
    row.delete()
    assert agent.post("databases/delete", **at, db_name=lent).status_code == 200
    assert Entry.objects.filter(server=service.name).latest("at").state == "done"


def _who_only_reads(agent: Agent, at: dict[str, Any], service: Service) -> None:
    assert agent.post("databases/create", **at, db_name="books").status_code == 201
    sent = {**at, "database": "books"}
    assert agent.post("databases/query", **sent, query="CREATE TABLE t (n int)").status_code == 200
    for read_only, who in ((True, READER), (False, service.user)):
        answer = agent.post("databases/query", **sent, query="SELECT current_user", read_only=read_only)
        assert answer.json()["rows"][0][0].partition("@")[0] == who, answer.text
    assert agent.post("databases/query", **sent, query="SELECT * FROM t", read_only=True).json()["count"] == 0
    for leaving in ("INSERT INTO t VALUES (1)", "COMMIT; INSERT INTO t VALUES (1)", "DROP TABLE t"):
        answer = agent.post("databases/query", **sent, query=leaving, read_only=True)
        assert (answer.status_code, list(answer.json())) == (400, ["error"]), answer.text
        assert Entry.objects.filter(server=service.name).latest("at").state == "failed"
    assert agent.post("databases/query", **sent, query="SELECT * FROM t").json()["count"] == 0
    assert agent.post("databases/delete", **at, db_name="books").status_code == 200


def _its_lifecycle(agent: Agent, service: Service) -> None:
    name = service.name
    for verb, word, state in (("stop", "stopped", "stopped"), ("start", "started", "running"), ("restart", "restarted", "running")):  # fmt: skip # noqa: E501
        answer = agent.post(f"infrastructure/{name}/{verb}")
        assert (answer.status_code, answer.json()) == (200, {"message": f"Service {word}", "name": name})
        assert answer.text == f'{{"message":"Service {word}","name":"{name}"}}'
        assert agent.get(f"infrastructure/{name}").json()["service"]["status"] == state
    service.refresh_from_db()
    healthy(service)


@pytest.mark.django_db
def test_what_is_not_there_and_what_is_external(client: Client, standings: None, openbao: Any) -> None:
    answer = client.get("/api/infrastructure/nobody")
    assert answer.status_code == 404
    assert "unknown infrastructure service: nobody" in answer.json()["error"]
    for verb in ("start", "stop", "restart"):
        assert client.post(f"/api/infrastructure/nobody/{verb}").status_code == 404
    Service.objects.create(name="elsewhere", type=Type.MYSQL, managed=False, host="192.0.2.9", port=3306)
    for verb in ("start", "stop", "restart"):
        answer = client.post(f"/api/infrastructure/elsewhere/{verb}")
        assert answer.status_code == 409
        assert "external" in answer.json()["error"]
    answer = client.get("/api/infrastructure/elsewhere/logs")
    assert answer.content == b'{"name":"elsewhere","logs":""}'
    assert client.post("/api/infrastructure/nginx/stop").status_code == 409
    for tail in ("0", "-1", "x", "10001", "99999999999", "\u00b2"):
        assert client.get("/api/infrastructure/elsewhere/logs", {"tail": tail}).status_code == 400
    assert client.get("/api/infrastructure/elsewhere/nothing").json() == {"error": "There is no such address."}


@pytest.mark.django_db
def test_only_operators_tokens_open_it(team: Team, alice: User, operator: User) -> None:
    bare = Client()
    signed_in = Client()
    signed_in.force_login(operator)
    teams = Client(headers={"Authorization": f"Bearer {tokens.make(user=alice, name='a', team=team)[1]}"})
    for path, method in [(path, "get") for path in GETS] + [(path, "post") for path in POSTS]:
        for one, status in ((bare, 401), (signed_in, 401), (teams, 403)):
            answer = getattr(one, method)(f"/api/{path}", REMOTE_ADDR="198.51.100.200")
            assert answer.status_code in (status, 429), (path, answer.content)
            assert list(answer.json()) == (["error", "success"] if path.endswith("databases/test") else ["error"])
    answer = bare.get("/api/infrastructure", REMOTE_ADDR="198.51.100.201")
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.django_db
def test_methods_sizes_and_bodies(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, wrong, right in [(path, "post", "GET") for path in GETS] + [(path, "get", "POST") for path in POSTS]:
        answer = getattr(client, wrong)(f"/api/{path}")
        assert (answer.status_code, answer["Allow"]) == (405, right), path
    for body in (b"[]", b"{", b'"x"', b"null", b"\xff", b"[" * 100_000):
        answer = client.post("/api/databases/list", body, content_type="application/json")
        assert answer.status_code == 400
        assert answer.json() == {"error": "The body must be a JSON object."}
    monkeypatch.setattr(door, "LARGEST", 100)
    answer = client.post("/api/databases/list", json.dumps({"type": "x" * 200}), content_type="application/json")
    assert answer.status_code == 413


AT = {"type": "postgresql", "host": "192.0.2.1", "port": 5432, "username": "u", "password": "s3cr3t-pw"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"type": "oracle"}, "type"),
        ({"type": None}, "type"),
        ({"type": ["mysql"]}, "type"),
        ({"host": ""}, "host"),
        ({"host": 7}, "host"),
        ({"host": "x" * 1001}, "host"),
        ({"host": "no such host.example"}, "host"),
        ({"port": 70000}, "port"),
        ({"port": "5432"}, "port"),
        ({"port": True}, "port"),
        ({"username": ""}, "username"),
        ({"host": "127.0.0.1"}, "host"),
        ({"host": "127.9.9.9"}, "host"),
        ({"host": "10.1.2.3"}, "host"),
        ({"host": "::ffff:10.1.2.3"}, "host"),
        ({"host": "169.254.169.254"}, "host"),
        ({"host": "localhost"}, "host"),
        ({"host": "0.0.0.0"}, "host"),
    ],
)
def test_bad_connections_name_the_field(client: Client, changed: dict[str, Any], named: str) -> None:
    for path in ("test", "list"):
        sent = json.dumps(AT | changed)
        answer = client.post(f"/api/databases/{path}", sent, content_type="application/json")
        assert answer.status_code == 400
        assert answer.json()["error"].startswith(f"{named}: ")
        assert "s3cr3t" not in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("tables", "database"), ("tables/data", "database"), ("tables/schema", "database"), ("query", "database"),
        ("create", "db_name"), ("delete", "db_name"), ("users/by-database", "database"),
        ("users/create", "target_username"), ("users/delete", "target_username"),
        ("privileges/grant", "target_username"), ("privileges/revoke", "target_username"),
    ],
)  # fmt: skip
def test_what_is_needed_is_named(client: Client, path: str, needed: str) -> None:
    answer = client.post(f"/api/databases/{path}", json.dumps(AT), content_type="application/json")
    assert (answer.status_code, answer.json()) == (400, {"error": f"{needed}: is needed."})


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network of AT is one that operators allowed."""
    monkeypatch.setattr(settings, "BRAINPOD", dataclasses.replace(settings.BRAINPOD, allowed_networks="192.0.2.0/24"))


@pytest.mark.django_db
def test_what_pods_have_is_theirs_by_any_address(client: Client, allowed: None) -> None:
    service = Service.objects.create(name="ours", type=Type.POSTGRESQL, managed=True, engine="process")
    Allotment.objects.create(service=service, pod_name="shop", team_name="home", resource="db", database="p0_db")
    for name in ("p0_db", "brainpod", READER, "template1"):
        sent = json.dumps(AT | {"db_name": name})
        answer = client.post("/api/databases/delete", sent, content_type="application/json")
        assert (answer.status_code, "the platform's own" in answer.json()["error"]) == (400, True), answer.content


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["x" * 900, "\ud800"])
def test_names_that_no_column_takes(client: Client, allowed: None, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.sql.postgres.server.connect", lambda where: pytest.fail("nothing is asked"))
    sent = json.dumps(AT | {"db_name": name})
    answer = client.post("/api/databases/create", sent, content_type="application/json")
    assert answer.status_code == 400
    assert Entry.objects.get().state == "failed"


@pytest.mark.django_db
def test_a_service_of_another_kind_and_one_that_does_not_run(client: Client) -> None:
    Service.objects.create(name="maria", type=Type.MARIADB, managed=True, engine="process", user="root")
    for kind, status in (("postgresql", 400), ("mariadb", 503)):
        sent = json.dumps({"type": kind, "host": "maria"})
        assert client.post("/api/databases/list", sent, content_type="application/json").status_code == status


@pytest.mark.django_db
def test_a_dead_service_holds_up_nobody(client: Client, standings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    Service.objects.create(name="elsewhere", type=Type.MYSQL, managed=False, host="127.0.0.1", port=9)
    (found,) = [one for one in client.get("/api/infrastructure").json()["services"] if one["name"] == "elsewhere"]
    assert (found["status"], found["external"], found["health"]) == ("external", True, "unhealthy")
    assert lifecycle.status(Service.objects.get()).state == "external"
