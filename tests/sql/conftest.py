"""Real servers, started once for all of these tests, and a database of its own for each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from apps import sql
from apps.servers.catalogue import SERVERS
from apps.sql.base import Server, Where
from tests.stack.databases import ADMIN, PASSWORD, running

TYPES = {"PostgresDB": "postgresql", "MariaDB": "mariadb"}
HERE = [f"{kind}-{line}" for kind in TYPES for line in sorted(SERVERS[kind].installed())]


@dataclass(frozen=True)
class At:
    """A database of a server: as the admin, as the apps' own user, and as who may only look."""

    admin: Where
    apps: Where
    database: str

    @property
    def postgres(self) -> bool:
        return self.admin.type == "postgresql"


@pytest.fixture(scope="session")
def admins() -> Iterator[dict[str, Where]]:
    """By kind and version; each is started when it is first asked for."""
    with ExitStack() as stack:
        yield _Started(stack)


class _Started(dict[str, Where]):
    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack

    def __missing__(self, name: str) -> Where:
        kind, _, version = name.partition("-")

        def ready(port: int) -> None:
            with sql.open(where(port)) as server:
                server.ping()

        def where(port: int) -> Where:
            return Where(TYPES[kind], "127.0.0.1", port, "postgres" if kind == "PostgresDB" else "platform", ADMIN)

        found = self._stack.enter_context(running(kind, version, ready=ready))
        self[name] = where(found.port)
        return self[name]


@pytest.fixture(params=HERE)
def at(request: pytest.FixtureRequest, admins: dict[str, Where]) -> Iterator[At]:
    admin = admins[request.param]
    database = f"db {uuid.uuid4().hex[:8]} %s`\"'"  # every test is one of names that are hard to quote
    with sql.open(admin) as server:
        server.create_database(database, owner="brainpod")
    yield At(admin, admin.as_user("brainpod", PASSWORD), database)
    with sql.open(admin) as server:
        server.delete_database(database)


@pytest.fixture
def apps(at: At) -> Iterator[Server]:
    with sql.open(at.apps) as server:
        yield server


@pytest.fixture
def admin(at: At) -> Iterator[Server]:
    with sql.open(at.admin) as server:
        yield server


@pytest.fixture
def reader(at: At) -> Iterator[Server]:
    with sql.open_reader(at.admin, sql.reader_of(at.admin), at.database) as server:
        yield server
