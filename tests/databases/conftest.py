"""A live pod whose database is a real server, and its people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import pymysql
import pytest
import redis

from apps import secretstore
from apps.accounts.models import Team
from apps.databases.targets import Target, of_pod
from apps.pods import databases
from apps.pods.databases import ADMIN_PASSWORD, PASSWORD, credentials_path
from apps.pods.models import Pod
from apps.secretstore.base import SecretStore
from tests.dashboard.pages.conftest import make_pod, seal, serve, spec
from tests.stack import databases as stack
from tests.stack.databases import Running, running


def _postgres(port: int) -> None:
    psycopg.connect(host="127.0.0.1", port=port, user="postgres", password=stack.ADMIN, dbname="brainpod").close()


def _maria(port: int) -> None:
    pymysql.connect(host="127.0.0.1", port=port, user="platform", password=stack.ADMIN, ssl_disabled=True).close()


def _valkey(port: int) -> None:
    with redis.Redis(host="127.0.0.1", port=port, username="platform", password=stack.ADMIN) as client:
        client.ping()


READY: dict[str, Callable[[int], None]] = {"PostgresDB": _postgres, "MariaDB": _maria, "Valkey": _valkey}


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], Running]]:
    """By kind; each is started when it is first asked for."""
    found: dict[str, Running] = {}
    with ExitStack() as stack:

        def started(kind: str) -> Running:
            if kind not in found:
                found[kind] = stack.enter_context(running(kind, ready=READY[kind]))
            return found[kind]

        yield started


@dataclass(frozen=True)
class Place:
    pod: Pod
    kind: str
    port: int

    @property
    def target(self) -> Target:
        return of_pod(self.pod, "db")


@pytest.fixture
def store(openbao: SecretStore, monkeypatch: pytest.MonkeyPatch) -> SecretStore:
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    monkeypatch.setattr(databases, "secret_store", lambda: openbao)
    return openbao


@pytest.fixture
def place_of(team: Team, servers: Callable[[str], Running], store: SecretStore) -> Callable[[str], Place]:
    def made(kind: str) -> Place:
        server = servers(kind)
        pod = make_pod(team)
        version = store.write(credentials_path(pod.pk, "db"), {PASSWORD: stack.PASSWORD, ADMIN_PASSWORD: stack.ADMIN})
        given = spec(kind, disk="data") | {"credentials": version}
        revision = seal(pod, 1, {"data": ("Disk", spec("Disk", size=5)), "db": (kind, given)})
        serve(revision, "db", handle={"tcp": f"127.0.0.1:{server.port}"})
        return Place(Pod.objects.select_related("live", "head", "team").get(pk=pod.pk), kind, server.port)

    return made


@pytest.fixture(params=["PostgresDB", "MariaDB"])
def place(request: pytest.FixtureRequest, place_of: Callable[[str], Place]) -> Iterator[Place]:
    """Of a server that knows SQL; what is left in the apps' database is dropped."""
    found = place_of(request.param)
    target = found.target
    yield found
    with target.open("brainpod", write=True) as apps:
        for table in ("goods", "shops"):
            apps.query("brainpod", f"DROP TABLE IF EXISTS {table}", read_only=False)


@pytest.fixture
def rows(place: Place) -> Place:
    """A table with 250 rows and one with a text that is hostile to pages."""
    numbers = (
        "generate_series(1, 250) AS n" if place.kind == "PostgresDB" else "(SELECT seq AS n FROM seq_1_to_250) AS s"
    )
    with place.target.open("brainpod", write=True) as apps:
        for statement in (
            "CREATE TABLE shops (id int PRIMARY KEY, name varchar(200), opened date)",
            f"INSERT INTO shops SELECT n, CONCAT('shop ', n), '2026-01-01' FROM {numbers}",
            "UPDATE shops SET name = '<script>alert(1)</script>' WHERE id = 1",
            "CREATE TABLE goods (id int PRIMARY KEY, shop int REFERENCES shops(id))",
        ):
            apps.query("brainpod", statement, read_only=False)
    return place
