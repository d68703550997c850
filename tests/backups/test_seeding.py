"""Staging pods and previews whose databases begin with what is in the parent's newest backups."""

from __future__ import annotations

from typing import Any

import psycopg
import pymysql
import pytest

from apps import artifacts
from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.backups import seeding
from apps.backups.models import Purpose, Restore
from apps.builds.models import Artifact, Build
from apps.deployments import actions as deployments
from apps.deployments import databases as running
from apps.deployments import pipeline
from apps.deployments.models import AppEvent, Deployment, Trigger, Workload
from apps.engines.process.client import ProcessEngine
from apps.logs import reader
from apps.pods import actions as pods
from apps.pods import kinds
from apps.pods.children import DatabasePolicy, branch_off
from apps.pods.models import Lineage, Pod
from apps.secretstore.base import SecretStore
from tests.backups.conftest import LINES, Running, made
from tests.deployments.conftest import front_door, served  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db(transaction=True)
NEWEST = [pytest.param((kind, LINES[kind][0]), id=kind) for kind in seeding.SEEDED]
APP = {"type": "worker", "source": {"repo": "https://git.example.com/team/shop.git"}, "instance": ".25x"}


@pytest.fixture
def parent(served: ProcessEngine, store: SecretStore, pod: Pod) -> Pod:  # noqa: F811
    """The pod of `server` with an app; its children run for real too."""
    if not served.check().sandbox:
        pytest.skip("without a sandbox a disk is not at its path")
    assert pod.live
    spec = kinds.get("App").parse(APP, team=pod.team.slug)
    pod.live.resources.create(kind="App", name="web", spec=spec)
    return Pod.objects.get(pk=pod.pk)


def branch(parent: Pod, by: User) -> Pod:
    return branch_off(
        parent, lineage=Lineage.STAGING, name=f"{parent.name}-next", by=by, with_secrets=True,
        databases=DatabasePolicy.SEEDED,
    )  # fmt: skip


def deploy(child: Pod, by: User) -> Deployment:
    """What its draft says, else what was deployed last once more; as if `web` had been built."""
    child.refresh_from_db()
    if child.draft:
        revision = pods.seal(pod=child, summary="", by=by)
        begun = deployments.start(pod=child, revision=revision, trigger=Trigger.MANUAL, by=by)
        place = artifacts.artifacts().scratch(f"seeding-{begun.pk}")
        (place / "app").mkdir()
        digest = artifacts.artifacts().adopt(place / "app").digest
        manifest = {"kind": "bundle", "app": digest, "start": "sleep 9999"}
        row = Artifact.objects.create(team=child.team, kind="bundle", manifest=manifest)
        Build.objects.filter(revision=revision).update(artifact=row)
    else:
        assert child.head
        begun = deployments.deploy_revision(pod=child, revision=child.head, by=by)
    pipeline.run(begun.pk)
    child.refresh_from_db()
    return Deployment.objects.get(pk=begun.pk)


def ask(child: Pod, statement: str) -> Any:
    """Of the child's own server, as its apps' user."""
    workload = child.workloads.get(app="db", serving=True)
    host, port = running.endpoint(workload)
    assert child.live
    spec = child.live.resources.get(name="db")
    found = running.credentials(child.live, "db", spec.spec["credentials"])
    where: dict[str, Any] = {"host": host, "port": port, "user": "brainpod", "password": found.password}
    connect: Any = psycopg.connect if spec.kind == "PostgresDB" else pymysql.connect
    names = {"dbname" if spec.kind == "PostgresDB" else "database": "brainpod"}
    with connect(**where, **names, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


def said(deployment: Deployment) -> list[str]:
    return [line.text for line in reader.read(deployment.stream)]


@pytest.mark.parametrize("server", NEWEST, indirect=True)
def test_a_child_begins_with_the_newest_backup(parent: Pod, server: Running, alice: User) -> None:
    server.ask("CREATE TABLE people (id int PRIMARY KEY, name varchar(20))", "INSERT INTO people VALUES (1, 'Größe')")
    made(parent, alice)
    server.ask("INSERT INTO people VALUES (2, 'b')")
    backup = made(parent, alice)
    server.ask("INSERT INTO people VALUES (3, 'c')")

    child = branch(parent, alice)
    first = deploy(child, alice)
    assert first.state == "ready", (first.error, said(first))
    assert [tuple(row) for row in ask(child, "SELECT id, name FROM people ORDER BY id")] == [(1, "Größe"), (2, "b")]
    assert [tuple(row) for row in server.ask("SELECT count(*) FROM people")] == [(3,)]
    row = Restore.objects.get(pod=child)
    assert (row.backup, row.purpose, row.state, row.cleaned) == (backup, Purpose.SEED, "completed", True)
    lines = said(first)
    filled = next(number for number, line in enumerate(lines) if line == "db is filled: 2 rows in 1 tables.")
    assert filled < next(number for number, line in enumerate(lines) if line.startswith("Starting web"))
    entry = AuditEntry.objects.get(verb="backup.seed")
    assert (entry.user, entry.details["into"]) == (alice, child.name)

    ask(child, "INSERT INTO people VALUES (9, 'own')")
    made(parent, alice)
    assert deploy(child, alice).state == "ready"
    assert [tuple(row) for row in ask(child, "SELECT count(*) FROM people")] == [(3,)], "filled once"
    assert Restore.objects.filter(pod=child).count() == 1


def test_nothing_starts_on_what_could_not_be_filled(parent: Pod, server: Running, alice: User) -> None:
    server.ask("CREATE TABLE people (id int)", "INSERT INTO people VALUES (1)")
    backup = made(parent, alice)
    backup.path.write_bytes(backup.path.read_bytes()[:-1] + b"?")
    child = branch(parent, alice)
    first = deploy(child, alice)
    assert (first.state, first.error_code) == ("failed", "seeding_failed")
    assert backup.file in first.error
    assert parent.name in first.hint
    assert child.live is None
    assert not Workload.objects.filter(pod=child, app="web").exists()
    assert not Workload.objects.filter(pod=child).exclude(state="stopped").exists()

    made(parent, alice)
    again = deploy(child, alice)
    assert again.state == "ready", (again.error, said(again))
    assert ask(child, "SELECT id FROM people") == [(1,)]


def test_without_a_backup_it_begins_empty_and_that_is_said(
    parent: Pod, server: Running, alice: User, client: Any
) -> None:
    client.force_login(alice)
    page = client.get(f"/pods/{parent.name}/staging/", {"databases": "seeded"}, headers={"HX-Request": "true"})
    assert "begins empty: there is no backup" in page.text
    child = branch(parent, alice)
    first = deploy(child, alice)
    assert first.state == "ready", (first.error, said(first))
    words = f"db begins empty: there is no backup of the one of {parent.name}."
    assert words in said(first)
    assert AppEvent.objects.filter(pod=child, app="db", words=words, level="warn").exists()
    assert ask(child, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
