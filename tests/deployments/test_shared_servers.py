"""Databases at a shared server: made when a pod is deployed, nobody else's, locked when the pod has them no more."""

from __future__ import annotations

import secrets as random
from collections.abc import Iterator

import psycopg
import pymysql
import pytest

from apps import secretstore
from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.backups import actions as backups
from apps.backups import places, restoring
from apps.core.errors import Conflict, Invalid
from apps.deployments import passwords
from apps.engines.base import Peer
from apps.engines.process.client import ProcessEngine
from apps.infrastructure import actions as services
from apps.infrastructure import credentials, lifecycle, sharing, workloads
from apps.infrastructure.models import Allotment, Service
from apps.pods import actions as pods
from apps.pods import databases
from apps.pods.children import DatabasePolicy, branch_off
from apps.pods.databases import shared_name
from apps.pods.models import Lineage, Pod
from apps.secretstore.base import SecretStore
from apps.servers.base import SERVICES
from apps.servers.catalogue import SERVERS
from tests.backups.conftest import made, restored
from tests.backups.test_round_trip import CONTENT, FILL
from tests.deployments.test_databases import deploy, finish, serving
from tests.engines.workloads import run, shell, texts, until
from tests.infrastructure.services.conftest import healthy
from tests.people import join, make_team, make_user

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = {"postgresql": "PostgresDB", "mariadb": "MariaDB", "valkey": "Valkey"}


@pytest.fixture
def engine(served: ProcessEngine, openbao: SecretStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessEngine]:
    if not served.check().sandbox:
        pytest.skip("without a sandbox root's services have no PostgreSQL")
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    monkeypatch.setattr(databases, "secret_store", lambda: openbao)
    monkeypatch.setattr(credentials, "store", lambda: openbao)
    yield served
    for service in Service.objects.exclude(run=""):
        served.stop({"id": service.run}, 0)


@pytest.fixture(params=["mariadb", "postgresql"])
def service(request: pytest.FixtureRequest, engine: ProcessEngine) -> Service:
    name = f"main-{random.token_hex(3)}"
    made = services.add_managed(name=name, type=request.param, memory=256, shared=True, by=None)
    healthy(made)
    return made


def pod_of(service: Service, *, team: str) -> tuple[Pod, User]:
    group = make_team(team)
    owner = join(group, make_user(team), Role.OWNER)
    pod = pods.create_pod(team=group, name=f"{team}-{random.token_hex(4)}", by=owner)
    spec = {"server": service.name}
    pods.save_resource(pod=pod, kind=KINDS[service.type], name="db", spec=spec, by=owner, create=True)
    env = [{"name": "DATABASE_URL", "value": "${db.uri}"}]
    app = {"type": "worker", "source": {"repo": "https://git.example.com/team/shop.git"}, "instance": ".25x"}
    pods.save_resource(pod=pod, kind="App", name="web", spec=app | {"env": env}, by=owner, create=True)
    return pod, owner


def connect(service: Service, user: str, password: str, database: str):
    host, port = workloads.endpoint(service)
    if service.type == "postgresql":
        return psycopg.connect(
            host=host, port=port, user=user, password=password, dbname=database, autocommit=True, connect_timeout=10
        )
    return pymysql.connect(host=host, port=port, user=user, password=password, database=database, autocommit=True)


REFUSED = (psycopg.OperationalError, pymysql.err.OperationalError)


def test_two_teams_have_databases_there_and_not_each_others(engine: ProcessEngine, service: Service) -> None:
    ours, alice = pod_of(service, team="ours")
    theirs, charlie = pod_of(service, team="theirs")
    found = {}
    for pod, owner in ((ours, alice), (theirs, charlie)):
        deployment = deploy(pod, owner)
        stages = {(one.app, one.stage): one.state for one in deployment.stages.all()}
        assert stages["db", "launch"] == "passed"
        assert ("db", "health") not in stages
        handle = serving(pod, "web").handle
        until(lambda: any(line.startswith("reached p") for line in texts(engine, handle)), "the database")  # noqa: B023
        found[pod.pk] = passwords.reveal(pod=pod, name="db", by=owner)
        assert found[pod.pk].database == found[pod.pk].user == shared_name(pod.pk, "db")
    mine, other = found[ours.pk], found[theirs.pk]
    with connect(service, mine.user, mine.password, mine.database) as made:
        made.cursor().execute("CREATE TABLE kept (n int)")
        made.cursor().execute("INSERT INTO kept VALUES (7351)")

    # From inside, as an app of either: by its own way, with every name and password it could come to know.
    kind = SERVERS[KINDS[service.type]]
    for pod, access, code in ((ours, mine, 0), (theirs, other, 1)):
        said, output = asked(engine, service, pod, access.user, access.password, mine.database, "SELECT n FROM kept")
        assert (said == 0) == (code == 0), output
        assert ("7351" in output) == (code == 0)
    if service.type == "postgresql":
        for sealed in ("template1", "postgres", "brainpod"):
            assert asked(engine, service, theirs, other.user, other.password, sealed, "SELECT 1")[0] != 0, sealed
    # Who does not refer to it has no way there at all.
    stranger, output = asked(engine, service, ours, mine.user, mine.password, mine.database, "SELECT 1", peers=())
    assert stranger != 0
    assert kind.port

    # New passwords, deployed: the old one is let in no more, the data is there.
    rotation = passwords.rotate(pod=ours, name="db", by=alice)
    finish(rotation)
    ours.refresh_from_db()
    now = passwords.reveal(pod=ours, name="db", by=alice)
    assert now.password != mine.password
    with pytest.raises(REFUSED):
        connect(service, mine.user, mine.password, mine.database)
    with connect(service, now.user, now.password, now.database) as made:
        cursor = made.cursor()
        cursor.execute("SELECT n FROM kept")
        assert cursor.fetchone() == (7351,)

    # Taken out of the pod: locked, and there until an operator drops it.
    given_up(service, ours, alice, now.user, now.password, now.database)
    dropped(service, ours, theirs)
    names = databases_at(service)
    assert mine.database not in names
    assert other.database in names


def test_a_backup_is_of_ones_own_alone_and_put_back_as_ones_own_user(engine: ProcessEngine, service: Service) -> None:
    kind = KINDS[service.type]
    (ours, alice, mine), (_, _, other) = live(service, "ours"), live(service, "theirs")
    statements(service, mine, *FILL[kind])
    statements(service, other, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7351)")
    before, there = statements(service, mine, CONTENT[kind]), databases_at(service)
    assert places.kept(ours) == {"db": kind}
    backup = made(ours, alice)
    assert sorted(backup.manifest["rows"].values()) == [[100, 100], [5000, 5000]]

    statements(service, mine, "DELETE FROM people WHERE id > 4000", "DROP VIEW known")
    row = restored(backup, alice)
    assert (row.state, row.error, row.cleaned) == ("completed", "", True)
    assert statements(service, mine, CONTENT[kind]) == before
    assert statements(service, mine, "SELECT n, twice(21) FROM known") == [(5000, 42)]
    with pytest.raises(REFUSED):
        connect(service, other.user, other.password, mine.database)
    assert statements(service, other, "SELECT n FROM kept") == [(7351,)]
    drill = backups.drill(backup=backup, by=None)
    restoring.run(drill.pk)
    backup.refresh_from_db()
    assert backup.proven_at is not None
    assert databases_at(service) == there, "nothing is left of either"

    child = branch_off(
        ours, lineage=Lineage.STAGING, name=f"{ours.name}-next", by=alice, with_secrets=True,
        databases=DatabasePolicy.SEEDED,
    )  # fmt: skip
    deploy(child, alice)
    own = passwords.reveal(pod=Pod.objects.get(pk=child.pk), name="db", by=alice)
    assert own.database not in (mine.database, other.database)
    assert statements(service, own, CONTENT[kind]) == before
    if service.type == "postgresql":
        into = "SELECT datname FROM pg_database WHERE datallowconn AND has_database_privilege(datname, 'CONNECT')"
    else:
        into = "SELECT DISTINCT replace(table_schema, '\\\\', '') FROM information_schema.schema_privileges"
    assert statements(service, mine, into) == [(mine.database,)]


def live(service: Service, team: str) -> tuple[Pod, User, databases.Access]:
    pod, owner = pod_of(service, team=team)
    deploy(pod, owner)
    pod.refresh_from_db()
    return pod, owner, passwords.reveal(pod=pod, name="db", by=owner)


def statements(service: Service, access: databases.Access, *words: str) -> list[tuple[object, ...]]:
    with connect(service, access.user, access.password, access.database) as connection:
        cursor = connection.cursor()
        for statement in words:
            cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []


def given_up(service: Service, ours: Pod, alice: User, user: str, password: str, database: str) -> None:
    ours.refresh_from_db()
    pods.delete_resource(pod=ours, name="db", by=alice)
    deploy(ours, alice)
    with pytest.raises(REFUSED):
        connect(service, user, password, database)


def dropped(service: Service, ours: Pod, theirs: Pod) -> None:
    """Only by its name, and only what no pod has."""
    row = Allotment.objects.get(pod=ours)
    assert row.released_at
    with pytest.raises(Conflict) as error:
        sharing.drop(Allotment.objects.get(pod=theirs), confirm=shared_name(theirs.pk, "db"), by=None)
    assert error.value.code == "allotment_used"
    with pytest.raises(Conflict) as error:
        services.remove(service, confirm=service.name, by=None)
    assert error.value.code == "service_used"
    with pytest.raises(Invalid):
        sharing.drop(row, confirm="db", by=None)
    sharing.drop(row, confirm=row.database, by=None)


def databases_at(service: Service) -> set[str]:
    kind = SERVERS[KINDS[service.type]]
    place = workloads.place(service)
    with connect(service, place.user, place.password, "postgres" if kind.kind == "PostgresDB" else "mysql") as made:
        cursor = made.cursor()
        cursor.execute("SELECT datname FROM pg_database" if kind.kind == "PostgresDB" else "SHOW DATABASES")
        return {row[0] for row in cursor.fetchall()}


def asked(
    engine: ProcessEngine, service: Service, pod: Pod, user: str, password: str, database: str, text: str,
    peers: tuple[Peer, ...] | None = None,
) -> tuple[int, str]:  # fmt: skip
    """What a program in a sandbox of `pod` is answered."""
    kind = SERVERS[KINDS[service.type]]
    host = engine.peer_host(SERVICES, service.name)
    at = ("-h", host, "-N", database, "-e", text)
    command = ("mariadb", "--no-defaults", "--skip-ssl", "-u", user, *at)
    if service.type == "postgresql":
        command = ("psql", "-h", host, "-U", user, "-d", database, "-v", "ON_ERROR_STOP=1", "-tAc", text)
    installed = kind.installed()[service.version]
    finished, lines = run(
        engine,
        shell(
            "", pod=pod.pk, command=command, path=installed.path, workdir="/tmp",
            peers=(Peer(service.name, kind.port, SERVICES),) if peers is None else peers,
            mounts=tuple(_mounts(installed.roots)), env={"PGPASSWORD": password, "MYSQL_PWD": password,
            "PGCONNECT_TIMEOUT": "5"},
        ),
    )  # fmt: skip
    return finished.exit_code, "\n".join(lines)


def _mounts(roots: tuple[str, ...]):
    from apps.engines.base import Mount

    return [Mount(root, root) for root in roots]


def test_only_what_is_shared_may_be_used(engine: ProcessEngine, service: Service) -> None:
    pod, owner = pod_of(service, team="ours")
    services.change(service, shared=False, by=None)
    with pytest.raises(AssertionError, match="no shared server"):
        deploy(pod, owner)
    assert not Allotment.objects.exists()
    for spec, field in (
        ({"server": service.name, "disk": "data"}, "disk"),
        ({"server": "Not A Name"}, "server"),
        ({}, "disk"),
    ):
        with pytest.raises(Invalid) as error:
            pods.save_resource(pod=pod, kind="PostgresDB", name="other", spec=spec, by=owner, create=True)
        assert [detail.path for detail in error.value.details] == [field]
    assert lifecycle.status(service).state == "running"
