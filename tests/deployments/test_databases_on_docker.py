"""Each kind of database on Docker, from the deployment to the restored rows: reached by its pod's app alone."""

from __future__ import annotations

import dataclasses
import secrets as random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps import edge, engines, secretstore
from apps.accounts.models import Team, User
from apps.backups.models import Backup, Restore
from apps.builds.models import Artifact, Build
from apps.deployments import actions, passwords, pipeline
from apps.deployments.disk_paths import disk_path
from apps.deployments.models import Deployment, Trigger, Workload
from apps.logs import reader
from apps.pods import actions as pods
from apps.pods import databases
from apps.pods.models import Pod
from apps.secretstore.base import SecretStore
from apps.servers.catalogue import SERVERS
from tests.backups.conftest import made, prove, restored
from tests.deployments.conftest import front_door  # noqa: F401 - a fixture
from tests.edge.conftest import Stand
from tests.engines.workloads import run, shell, texts, until
from tests.servers.clients import CONNECT, Client, address, rows_of, written_until_killed
from tests.stack.docker import DockerDaemon
from tests.stack.docker_engine import ImageEngine, engine_on
from tests.stack.server_images import Images, ServerImage

pytestmark = pytest.mark.django_db(transaction=True)
RESP = """
import os, socket
with socket.create_connection((os.environ["AT"], 6379), 5) as sock:
    words = ("AUTH", os.environ["WORD"])
    sock.sendall(b"*2\\r\\n" + b"".join(b"$%d\\r\\n%s\\r\\n" % (len(word), word.encode()) for word in words))
    print("let in", sock.recv(100).decode().strip(), flush=True)
"""
ASK = {
    "PostgresDB": """PGPASSWORD="$WORD" psql -h "$AT" -U brainpod -d brainpod -tAc "SELECT 'let in '||current_user" """,
    "MariaDB": """MYSQL_PWD="$WORD" mariadb --no-defaults -h "$AT" -u brainpod --skip-ssl -N brainpod """
    """-e "SELECT concat('let in ', substring_index(current_user(), '@', 1))" """,
    "Valkey": f"python3 -c '{RESP}'",
}
ANSWER = {"PostgresDB": "let in brainpod", "MariaDB": "let in brainpod", "Valkey": "let in +OK"}


@dataclasses.dataclass
class Shop:
    """A pod with the database `db` and the app `web`, which asks it every second; its image has the server's client."""

    pod: Pod
    image: ServerImage
    by: User

    @property
    def kind(self) -> str:
        return self.image.kind

    def database(self, name: str) -> None:
        spec = {"version": self.image.version, "instance": ".5x", "disk": f"{name}-data"}
        for kind, called, given in (("Disk", f"{name}-data", {"size": 5}), (self.kind, name, spec)):
            pods.save_resource(pod=self.pod, kind=kind, name=called, spec=given, by=self.by, create=True)

    def deploy(self) -> None:
        self.pod.refresh_from_db()
        revision = pods.seal(pod=self.pod, summary="", by=self.by)
        begun = actions.start(pod=self.pod, revision=revision, trigger=Trigger.MANUAL, by=self.by)
        manifest = {"kind": "image", "image": self.image.reference}
        artifact = Artifact.objects.create(team=self.pod.team, kind="image", manifest=manifest)
        Build.objects.filter(revision=revision, artifact=None).update(artifact=artifact)
        self.finish(begun)

    def finish(self, deployment: Deployment) -> None:
        pipeline.run(deployment.pk)
        deployment.refresh_from_db()
        self.pod.refresh_from_db()
        assert deployment.state == "ready", (deployment.error, [it.text for it in reader.read(deployment.stream)])

    def serving(self, name: str) -> Workload:
        return self.pod.workloads.get(app=name, serving=True)

    def password(self, name: str = "db") -> str:
        return passwords.reveal(pod=self.pod, name=name, by=self.by).password

    def client(self, name: str = "db") -> Client:
        return CONNECT[self.kind](*address(self.serving(name).handle), self.password(name))

    def rows(self, name: str = "db") -> set[int]:
        return rows_of(self.kind, self.serving(name).handle, self.password(name))

    def app_is_let_in(self) -> None:
        web = self.serving("web")
        until(lambda: ANSWER[self.kind] in texts(web.runner, web.handle), "the app to be let in")


@pytest.fixture
def engine(
    docker_daemon: DockerDaemon,
    openbao: SecretStore,
    front_door: Stand,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ImageEngine]:
    with engine_on(docker_daemon) as (found, _):
        monkeypatch.setattr(engines, "engine", lambda: found)
        monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
        monkeypatch.setattr(databases, "secret_store", lambda: openbao)
        monkeypatch.setattr(edge, "edge", lambda: front_door.edge)
        yield found
        for workload in found.workloads():
            found.stop({"id": workload}, 0)


@pytest.fixture(params=list(SERVERS))
def shop(
    request: pytest.FixtureRequest, engine: ImageEngine, server_image: Images, team: Team, alice: User, settings: Any
) -> Iterator[Shop]:
    image = server_image(request.param)
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, base_images=image.setting)
    pod = pods.create_pod(team=team, name=f"shop-{random.token_hex(4)}", by=alice)
    found = Shop(pod, image, alice)
    found.database("db")
    app = {
        "type": "worker", "source": {"repo": "https://git.example.com/team/shop.git"}, "instance": ".25x",
        "env": [{"name": "AT", "value": "${db.host}"}, {"name": "WORD", "value": "${db.password}"}],
        "startCommand": f"while :; do {ASK[image.kind]}; sleep 1; done",
    }  # fmt: skip
    pods.save_resource(pod=pod, kind="App", name="web", spec=app, by=alice, create=True)
    found.deploy()
    yield found
    shutil.rmtree(Path(settings.BRAINPOD.state) / "backups", ignore_errors=True)


def test_it_is_its_pods_alone_and_new_passwords_replace_the_old(engine: ImageEngine, shop: Shop) -> None:
    shop.app_is_let_in()
    client = shop.client()
    client.prepare()
    client.write(7351)
    old = shop.password()
    host = address(shop.serving("db").handle)[0]
    for pod, at, answered in ((shop.pod.pk, "db", True), (f"pod-{random.token_hex(4)}", host, False)):
        asks = shell(ASK[shop.kind], pod=pod, image=shop.image.reference, env={"AT": at, "WORD": old}, workdir="/tmp")
        lines = run(engine, dataclasses.replace(asks, env=asks.env | {"PGCONNECT_TIMEOUT": "5"}), 20)[1]
        assert (ANSWER[shop.kind] in lines) == answered, (at, lines)

    before = {name: shop.serving(name).pk for name in ("db", "web")}
    shop.finish(passwords.rotate(pod=shop.pod, name="db", by=shop.by))
    assert shop.password() != old
    assert not {shop.serving(name).pk for name in ("db", "web")} & set(before.values())
    shop.app_is_let_in()
    assert shop.rows() == {7351}
    assert rows_of(shop.kind, shop.serving("db").handle, old) == set(), "nobody is let in with it any more"


def test_what_a_kill_left_is_backed_up_and_restored_into_it_and_another(shop: Shop) -> None:
    disk = disk_path(shop.pod.pk, "db-data")
    kept = written_until_killed(shop.kind, shop.serving("db").handle, disk, shop.password())
    rows = until(shop.rows, "the server that was started again")
    assert not kept - rows
    backup = made(shop.pod, shop.by)
    prove(backup, shop.by)
    shop.client().write(10**9)
    completed(restored(backup, shop.by))
    assert until(shop.rows, "the restored server") == rows
    shop.app_is_let_in()

    shop.database("other")
    shop.deploy()
    completed(restored(Backup.objects.get(pk=backup.pk), shop.by, target="other"))  # of the pod as it is now
    assert until(lambda: shop.rows("other"), "the other server") == rows
    shop.client("other").write(10**9)
    assert 10**9 in shop.rows("other")
    assert shop.rows() == rows


def completed(row: Restore) -> None:
    assert (row.state, row.error, row.cleaned) == ("completed", "", True)
