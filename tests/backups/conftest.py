"""Servers that really run, started once, and pods whose databases they are."""

from __future__ import annotations

import dataclasses
import os
import secrets
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import redis
from django.conf import settings

from apps import secretstore
from apps.accounts.models import Team, User
from apps.backups import actions, remote, restoring, run
from apps.backups.models import Backup, Restore
from apps.deployments.models import Deployment, Workload
from apps.disks.places import Disk
from apps.engines.base import Engine, Handle, Limits
from apps.pods import databases
from apps.pods.models import Pod
from apps.secretstore.base import SecretStore
from apps.servers.catalogue import SERVERS
from apps.servers.run import Credentials, launch_spec
from tests.engines.workloads import texts, until
from tests.servers.clients import address
from tests.stack.engine import EngineAgent

CREDENTIALS = Credentials("first", "admin")
LINES = {kind: sorted(server.installed(), key=float, reverse=True) for kind, server in SERVERS.items()}  # newest first


@dataclass(frozen=True, slots=True)
class Running:
    """A server, and the driver's connection to it as the apps' own user."""

    kind: str
    version: str
    handle: Handle
    host: str
    port: int

    def ask(self, *statements: str) -> Any:
        """All of what the last one answers; for Valkey a statement is a command."""
        if self.kind == "Valkey":
            client = redis.Redis(host=self.host, port=self.port, password=CREDENTIALS.password)
            for statement in statements:
                answer = client.execute_command(*statement.split())
            return answer
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None

    def connect(self, user: str = "brainpod", password: str = CREDENTIALS.password) -> Any:
        if self.kind == "PostgresDB":
            return psycopg.connect(
                host=self.host, port=self.port, user=user, password=password, dbname="brainpod", autocommit=True
            )
        return pymysql.connect(
            host=self.host, port=self.port, user=user, password=password, database="brainpod", autocommit=True
        )

    def databases(self) -> set[str]:
        """Every one there is, as the platform's own user sees them."""
        admin = {"PostgresDB": "postgres", "MariaDB": "platform"}[self.kind]
        query = {"PostgresDB": "SELECT datname FROM pg_database", "MariaDB": "SHOW DATABASES"}[self.kind]
        with self.connect(admin, CREDENTIALS.admin_password) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return {row[0] for row in cursor.fetchall()}


@contextmanager
def running(
    engine: Engine, kind: str, version: str, *, memory: int = 512, disk: Path | None = None
) -> Iterator[Running]:
    """`memory` in MB. `disk`: the directory that is its disk, and stays; one of its own without."""
    server = SERVERS[kind]
    place = Path(tempfile.mkdtemp(prefix="bp-b-", dir="/tmp"))
    place.chmod(0o711)
    (place / "disk").mkdir()
    spec = launch_spec(
        server, version, id=f"db-{uuid.uuid4()}", pod=f"pod-{uuid.uuid4()}", name="db",
        disk=str(disk or place / "disk"), limits=Limits(cpu=1, memory=memory), credentials=CREDENTIALS, image="",
    )  # fmt: skip
    if not engine.check().sandbox and os.geteuid() == 0 and kind == "PostgresDB":
        pytest.skip("without a sandbox root's pods have no PostgreSQL")
    handle = engine.launch(spec)
    try:

        def ready() -> bool:
            assert engine.status(handle).restarts == 0, texts(engine, handle)
            if not server.ready:
                return engine.probe(handle) is None
            try:
                return engine.exec(handle, ("sh", "-c", server.ready))[0] == 0
            except Exception:
                return False

        until(ready, f"{server.title} {version}")
        yield Running(kind, version, handle, *address(handle))
    finally:
        engine.stop(handle, 10)
        shutil.rmtree(place, ignore_errors=True)


def every(*kinds: str) -> list[Any]:
    return [pytest.param((kind, line), id=f"{kind}-{line}") for kind in kinds for line in LINES[kind]]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Of these servers alone: what is reconciled with the engine of all ends what no row knows."""
    agent = EngineAgent()
    try:
        agent.start()
        yield agent.engine
    finally:
        agent.remove()


@pytest.fixture(scope="session")
def servers(engine: Engine) -> Iterator[Callable[[str, str], Running]]:
    """Each is started when it is first asked for, and stays."""
    opened: dict[tuple[str, str], tuple[Any, Running]] = {}

    def get(kind: str, version: str) -> Running:
        if (kind, version) not in opened:
            context = running(engine, kind, version)
            opened[kind, version] = (context, context.__enter__())
        return opened[kind, version][1]

    yield get
    for context, _ in opened.values():
        context.__exit__(None, None, None)


@pytest.fixture
def server(request: pytest.FixtureRequest, servers: Callable[[str, str], Running]) -> Iterator[Running]:
    """By the test's parameter (kind, version); PostgreSQL without. Empty afterwards."""
    kind, version = getattr(request, "param", ("PostgresDB", LINES["PostgresDB"][0]))
    found = servers(kind, version)
    yield found
    if kind == "PostgresDB":
        found.ask("DROP OWNED BY brainpod CASCADE", "CREATE SCHEMA IF NOT EXISTS public")
    elif kind == "MariaDB":
        found.ask("DROP DATABASE brainpod", "CREATE DATABASE brainpod")
    else:
        found.ask("FLUSHALL")


@pytest.fixture
def store(openbao: SecretStore, monkeypatch: pytest.MonkeyPatch) -> SecretStore:
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    monkeypatch.setattr(databases, "secret_store", lambda: openbao)
    return openbao


@pytest.fixture
def pod(server: Running, store: SecretStore, team: Team, alice: User) -> Iterator[Pod]:
    """Its live revision has the database `db`, which is `server`; without a plan, without backups."""
    made = Pod.objects.create(team=team, name=f"shop-{secrets.token_hex(4)}", created_by=alice)
    revision = made.revisions.create(version=1, sealed_at=made.created_at, summary="first")
    version = store.write(
        databases.credentials_path(made.pk, "db"),
        {"password": CREDENTIALS.password, "admin_password": CREDENTIALS.admin_password},
    )
    revision.resources.create(kind="Disk", name="data", spec={"size": 5})
    spec = {"version": server.version, "instance": ".5x", "disk": "data", "credentials": version}
    revision.resources.create(kind=server.kind, name="db", spec=spec)
    Pod.objects.filter(pk=made.pk).update(live=revision, head=revision)
    deployment = Deployment.objects.create(pod=made, revision=revision, trigger="manual", state="ready")
    Workload.objects.create(
        pod=made, revision=revision, deployment=deployment, app="db", fingerprint="0", serving=True, state="healthy",
        handle=server.handle,
    )  # fmt: skip
    made.refresh_from_db()
    yield made
    shutil.rmtree(Path(settings.BRAINPOD.state) / "backups", ignore_errors=True)
    store.delete(databases.credentials_path(made.pk, "db"))


@pytest.fixture
def copied(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Backups are copied to a bucket."""
    monkeypatch.setattr(settings, "BRAINPOD", dataclasses.replace(settings.BRAINPOD, backups_url=bucket.url))
    remote._opened.cache_clear()
    return bucket


def made(of: Pod, by: User, *, name: str = "db") -> Backup:
    backup = actions.back_up(pod=of, name=name, by=by)
    run.run(backup.pk)
    backup.refresh_from_db()
    assert backup.state == "completed", backup.error
    return backup


def restored(backup: Backup, by: User, *, target: str = "") -> Restore:
    """`target`: what it is restored into, if not itself."""
    target = target or backup.name
    row = actions.restore(backup=backup, target=target, confirmation=target, by=by)
    restoring.run(row.pk)
    row.refresh_from_db()
    return row


def prove(backup: Backup, by: User) -> None:
    """A drill of it that goes well."""
    row = actions.drill(backup=backup, by=by)
    restoring.run(row.pk)
    row.refresh_from_db()
    backup.refresh_from_db()
    assert (row.state, row.error) == ("completed", "")
    assert backup.proven_at


def beside(of: Disk) -> set[str]:
    """What is left beside the disk: nothing but empty places."""
    parent = of.path.parent.parent
    return {f"{path.name}/{one.name}" for path in parent.iterdir() if path.name not in ("disks", "locks")
            for one in path.iterdir()}  # fmt: skip
