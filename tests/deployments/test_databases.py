"""Databases of a pod on the process engine: there before the apps, kept when nothing changed, replaced by plan."""

from __future__ import annotations

import secrets as random
from typing import Any

import psycopg
import pytest

from apps import artifacts, secretstore
from apps.accounts.models import Team, User
from apps.builds.models import Artifact, Build
from apps.deployments import actions, passwords, pipeline
from apps.deployments.databases import endpoint
from apps.deployments.measured import database_servers
from apps.deployments.models import AppEvent, Deployment, Trigger, Workload
from apps.engines.process.client import ProcessEngine
from apps.logs import reader
from apps.pods import actions as pods
from apps.pods import databases
from apps.pods.models import Pod
from apps.pods.plan import make_plan
from apps.secretstore.base import SecretStore
from tests.engines.workloads import texts, until

pytestmark = pytest.mark.django_db(transaction=True)
ASKING = """
import os, socket, time, urllib.parse
at = urllib.parse.urlsplit(os.environ["DATABASE_URL"])
while True:
    try:
        with socket.create_connection((at.hostname, at.port), 5) as sock:
            print("reached", at.username, at.path, len(at.password), flush=True)
    except OSError as error:
        print("refused", error, flush=True)
    time.sleep(0.3)
"""


@pytest.fixture
def engine(served: ProcessEngine, openbao: SecretStore, monkeypatch: pytest.MonkeyPatch) -> ProcessEngine:
    if not served.check().sandbox:
        pytest.skip("without a sandbox root's pods have no PostgreSQL")
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    monkeypatch.setattr(databases, "secret_store", lambda: openbao)
    return served


@pytest.fixture
def pod(team: Team, alice: User, engine: ProcessEngine) -> Pod:
    made = pods.create_pod(team=team, name=f"shop-{random.token_hex(4)}", by=alice)
    for kind, name, spec in (
        ("Disk", "data", {"size": 5}),
        ("PostgresDB", "db", {"version": "18", "instance": ".5x", "disk": "data"}),
    ):
        pods.save_resource(pod=made, kind=kind, name=name, spec=spec, by=alice, create=True)
    env = [{"name": "DATABASE_URL", "value": "${db.uri}"}]
    app = {"type": "worker", "source": {"repo": "https://git.example.com/team/shop.git"}, "instance": ".25x"}
    pods.save_resource(pod=made, kind="App", name="web", spec=app | {"env": env}, by=alice, create=True)
    made.refresh_from_db()
    return made


def deploy(pod: Pod, by: User) -> Deployment:
    pod.refresh_from_db()
    revision = pods.seal(pod=pod, summary="", by=by)
    deployment = actions.start(pod=pod, revision=revision, trigger=Trigger.MANUAL, by=by)
    place = artifacts.artifacts().scratch(f"databases-{deployment.pk}")
    tree = place / "app"
    tree.mkdir()
    (tree / "main.py").write_text(ASKING)
    manifest = {"kind": "bundle", "app": artifacts.artifacts().adopt(tree).digest, "start": "python3 main.py"}
    made = Artifact.objects.create(team=pod.team, kind="bundle", manifest=manifest)
    Build.objects.filter(revision=revision, app="web", artifact=None).update(artifact=made)
    finish(deployment)
    pod.refresh_from_db()
    return deployment


def finish(deployment: Deployment) -> None:
    pipeline.run(deployment.pk)
    deployment.refresh_from_db()
    said = [line.text for line in reader.read(deployment.stream)]
    assert deployment.state == "ready", (deployment.error, said)


def serving(pod: Pod, name: str) -> Workload:
    return Workload.objects.get(pod=pod, app=name, serving=True)


def lines_of(pod: Pod) -> dict[str, Any]:
    pod.refresh_from_db()
    assert pod.draft
    return {line.name: line for line in make_plan(pod, pod.draft, stored=frozenset({"web"})).lines}


def test_the_app_finds_its_database_there(engine: ProcessEngine, pod: Pod, alice: User) -> None:
    deployment = deploy(pod, alice)
    handle = serving(pod, "web").handle
    until(
        lambda: any(line.startswith("reached brainpod /brainpod 32") for line in texts(engine, handle)), "the database"
    )
    assert not any(line.startswith("refused") for line in texts(engine, handle)), "it was there first"
    host, port = endpoint(serving(pod, "db"))
    access = passwords.reveal(pod=pod, name="db", by=alice)
    with psycopg.connect(host=host, port=port, user=access.user, password=access.password, dbname="brainpod") as sql:
        assert sql.execute("SELECT current_user").fetchone() == ("brainpod",)
    (measured,) = [one for one in database_servers().values() if one.pod == pod.pk]
    where = {"host": measured.host, "port": measured.port, "password": measured.password()}
    with psycopg.connect(**where, user="postgres", dbname="postgres") as sql:
        assert sql.execute("SELECT extname FROM pg_extension WHERE extname LIKE 'pg_stat%'").fetchall()
    assert (measured.name, measured.kind, "password" in repr(measured)) == ("db", "PostgresDB", False)
    stages = {(run.app, run.stage): run.state for run in deployment.stages.all()}
    assert stages["db", "launch"] == stages["db", "health"] == "passed"
    assert ("db", "build") not in stages


def test_what_did_not_change_keeps_running_and_new_passwords_replace_both(
    engine: ProcessEngine, pod: Pod, alice: User
) -> None:
    deploy(pod, alice)
    before = {name: serving(pod, name).pk for name in ("db", "web")}
    pods.save_resource(pod=pod, kind="Config", name="more", spec={}, by=alice, create=True)
    deploy(pod, alice)
    assert {name: serving(pod, name).pk for name in ("db", "web")} == before

    pods.save_resource(pod=pod, kind="Config", name="draft", spec={}, by=alice, create=True)
    old = passwords.reveal(pod=pod, name="db", by=alice).password
    deployment = passwords.rotate(pod=pod, name="db", by=alice)
    finish(deployment)
    pod.refresh_from_db()
    assert "draft" not in pod.live.snapshot()
    plan = lines_of(pod)
    assert (plan["db"].action, plan["web"].action) == ("no-op", "no-op"), "the draft has the new passwords too"
    assert passwords.reveal(pod=pod, name="db", by=alice).password != old
    told = AppEvent.objects.filter(pod=pod, app="db", kind="password").order_by("id").values_list("words", "actor")
    assert [(words.split()[0], actor) for words, actor in told] == [
        ("Its", alice.pk), ("New", alice.pk), ("Its", alice.pk)
    ]  # fmt: skip
    assert not {serving(pod, name).pk for name in ("db", "web")} & set(before.values())
    handle = serving(pod, "web").handle
    until(lambda: any(line.startswith("reached") for line in texts(engine, handle)), "the database")


def test_the_disk_stays_when_the_database_goes(engine: ProcessEngine, pod: Pod, alice: User) -> None:
    deploy(pod, alice)
    pods.delete_resource(pod=pod, name="db", by=alice)
    assert "stays on disk data" in lines_of(pod)["db"].consequence
    deploy(pod, alice)
    assert not Workload.objects.filter(pod=pod, app="db", serving=True).exists()
    pods.save_resource(
        pod=pod, kind="PostgresDB", name="again", spec={"version": "18", "disk": "data"}, by=alice, create=True
    )
    deploy(pod, alice)
    assert serving(pod, "again").state == "healthy"
