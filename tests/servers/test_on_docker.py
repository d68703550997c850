"""PostgreSQL in a container, in an image as the official ones are: started as root, its own user among others.

Of a pod, and as an infrastructure service that pods share in the network that infrastructure.yml names.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.test import Client

from apps import engines, secretstore
from apps.accounts.models import Team, User
from apps.core.errors import PlatformError
from apps.engines.base import DATABASE, PROXY, SERVICES, Handle, Limits, Peer
from apps.engines.docker import meeting
from apps.infrastructure import actions, credentials, networks, sharing
from apps.infrastructure.models import Service
from apps.pods import actions as pods
from apps.pods.databases import shared_name
from apps.pods.models import Pod
from apps.secretstore.vault import Vault
from apps.servers.postgres import DEBIAN, POSTGRES
from apps.servers.run import Credentials, launch_spec
from tests.engines.workloads import name as fresh
from tests.engines.workloads import run, shell, texts, until
from tests.infrastructure.services.conftest import healthy
from tests.people import make_user
from tests.servers.clients import Postgres, address
from tests.stack.docker import DockerDaemon
from tests.stack.docker_engine import ImageEngine, add_file, fill_with_python, libraries

IMAGE = "brainpod-test/postgres:1"
USERS = {
    "passwd": "root:x:0:0::/:/bin/sh\npostgres:x:999:999::/data:/bin/sh\n",
    "group": "root:x:0:\npostgres:x:999:\n",
}
GOSU = b"""#!/bin/sh
user=$1
shift
exec /usr/local/bin/setpriv --reuid="$(id -u "$user")" --regid="$(id -g "$user")" --clear-groups -- "$@"
"""
REACH = "import socket; socket.create_connection(('{}', 5432), 5).close(); print('reached')"


@pytest.fixture(scope="session")
def version(docker_daemon: DockerDaemon) -> str:
    """That of Debian's PostgreSQL, once there is an image of it."""
    there = sorted(DEBIAN.glob("*/bin/postgres"))
    setpriv = shutil.which("setpriv")
    if not there or not setpriv:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("this host has no PostgreSQL of Debian's, or no setpriv")
    home = there[-1].parents[1]
    programs = [Path(setpriv), *(home / "bin").iterdir(), *(home / "lib").glob("*.so")]
    repository, _, tag = IMAGE.partition(":")
    with tempfile.TemporaryFile() as held:
        with tarfile.open(fileobj=held, mode="w", dereference=False) as archive:
            fill_with_python(archive, USERS)
            archive.add(setpriv, "usr/local/bin/setpriv")
            add_file(archive, "usr/local/bin/gosu", GOSU, 0o755)
            for name in (home, Path("/usr/share/postgresql") / home.name, Path("/usr/share/zoneinfo/Etc")):
                archive.add(name, str(name).lstrip("/"))
            for name in (*Path("/usr/lib/locale").glob("C.*"), Path("/usr/share/zoneinfo/UTC")):
                archive.add(name.resolve(), str(name).lstrip("/"))
            there_already = {f"/{name}" for name in archive.getnames()}
            for path in libraries(programs) - there_already:
                add_file(archive, path.lstrip("/"), Path(path).read_bytes(), 0o755)
        held.seek(0)
        path = f"ENV PATH={home}/bin:/usr/local/bin:/usr/bin:/bin"
        docker_daemon.client().api.import_image_from_data(held, repository=repository, tag=tag, changes=[path])
    return home.name


def launched(engine: ImageEngine, version: str, pod: str, disk: Path) -> Handle:
    spec = launch_spec(
        POSTGRES, version, id=f"db-{uuid.uuid4()}", pod=pod, name="db", disk=str(disk),
        limits=Limits(cpu=1, memory=512), credentials=Credentials("first", "admin"), image=IMAGE,
    )  # fmt: skip
    handle = engine.launch(spec)

    def ready() -> bool:
        assert engine.status(handle).restarts == 0, texts(engine, handle)
        try:
            return engine.exec(handle, ("sh", "-c", POSTGRES.ready))[0] == 0
        except PlatformError:  # it does not run yet
            return False

    until(ready, "PostgreSQL", seconds=120)
    return handle


def test_it_keeps_what_was_committed_and_answers_its_pod_alone(
    docker_engine: ImageEngine, version: str, disk: Path
) -> None:
    pod, stranger = f"pod-{uuid.uuid4()}", f"pod-{uuid.uuid4()}"
    handle = launched(docker_engine, version, pod, disk)
    client = Postgres(*address(handle))
    client.prepare()
    for number in range(50):
        client.write(number)
    docker_engine.stop(handle, 0)
    handle = launched(docker_engine, version, pod, disk)
    host, port = address(handle)
    assert Postgres(host, port).read() == set(range(50))
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=host, port=port, user="brainpod", password="other", dbname="brainpod")
    for who, name, reached in ((pod, "db", True), (stranger, "db", False), (stranger, host, False)):
        words = ("python3", "-c", REACH.format(name))
        _, lines = run(docker_engine, shell("", pod=who, command=words, peers=(Peer("db", 5432),)))
        assert (lines == ["reached"]) == reached, (name, lines)
    docker_engine.stop(handle, 30)


@pytest.fixture
def file(tmp_path: Path, settings: Any) -> Path:
    """infrastructure.yml."""
    made = tmp_path / "infrastructure.yml"
    settings.BRAINPOD = replace(settings.BRAINPOD, infrastructure=str(made))
    return made


@pytest.fixture
def engine(
    docker_engine: ImageEngine, openbao: Vault, valkey: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ImageEngine]:
    """The platform's own for as long as a test; what is called otherwise then is called as before after it."""
    monkeypatch.setattr(engines, "engine", lambda: docker_engine)
    monkeypatch.setattr(engines, "offered", lambda: ("docker",))
    monkeypatch.setattr(secretstore, "secrets", lambda: openbao)
    monkeypatch.setattr(credentials, "store", lambda: openbao)
    monkeypatch.setattr(networks, "_done", [])
    yield docker_engine
    for service in Service.objects.exclude(run=""):
        docker_engine.stop({"id": service.run}, 0)
    docker_engine.call_networks({DATABASE: DATABASE, PROXY: PROXY})
    docker_engine.starter.meetings.sweep()


def pod_of(team: Team, by: User, service: Service) -> Pod:
    pod = pods.create_pod(team=team, name=f"shop-{uuid.uuid4().hex[:6]}", by=by)
    sharing.have(
        service,
        pod=pod,
        resource="db",
        database=shared_name(pod.pk, "db"),
        password="the-password-of-the-pod",
        version=1,
    )
    return pod


def asked(engine: ImageEngine, service: Service, pod: Pod, *, peer: bool = True) -> list[str]:
    """What an app of `pod` is answered by its database."""
    own = shared_name(pod.pk, "db")
    host = engine.peer_host(SERVICES, service.name)
    words = ("psql", "-h", host, "-U", own, "-d", own, "-tAc", "SELECT current_user")
    peers = (Peer(service.name, 5432, SERVICES),) if peer else ()
    env = {"PGPASSWORD": "the-password-of-the-pod", "PGCONNECT_TIMEOUT": "5"}
    return run(engine, shell("", pod=pod.pk, image=IMAGE, command=words, peers=peers, env=env, workdir="/tmp"))[1]


@pytest.mark.django_db(transaction=True)
def test_apps_reach_their_databases_at_a_shared_server(
    engine: ImageEngine,
    version: str,
    file: Path,
    team: Team,
    alice: User,
    client_of: Callable[..., Client],
) -> None:
    if engine.starter.egress.impossible(True) or not meeting.asks_firewall():
        pytest.skip("no rules can be made here")
    database = fresh("data")
    file.write_text(f"infrastructure:\n  default_database_network: {database}\n")
    networks.tend()
    shown = {one.purpose: one for one in networks.every()}
    assert (shown[DATABASE].name, shown[DATABASE].made, shown[DATABASE].problem) == (database, True, "")
    assert shown[PROXY].name == PROXY
    called = f"main-{uuid.uuid4().hex[:6]}"
    service = actions.add_managed(
        name=called, type="postgresql", version=version, image=IMAGE, memory=256, shared=True, by=None
    )
    healthy(service)
    pod = pod_of(team, alice, service)
    assert asked(engine, service, pod) == [shared_name(pod.pk, "db")]
    assert asked(engine, service, pod, peer=False) != [shared_name(pod.pk, "db")]
    browser = client_of(make_user("operator", is_staff=True, is_superuser=True))
    text = browser.get("/operators/services/").content.decode()
    assert database in text
    assert f"{called}.infrastructure" in text

    # What does not hold changes nothing; what Docker has and pods cannot share is said on the page.
    file.write_text("infrastructure:\n  default_database_network: host\n")
    networks.tend()
    assert [one.name for one in networks.every()] == [database, PROXY]
    closed, api = fresh("closed"), engine.daemon.api
    api.create_network(closed, driver="bridge", options={"com.docker.network.bridge.enable_icc": "false"})
    try:
        file.write_text(f"infrastructure:\n  default_database_network: {closed}\n")
        networks.tend()
        assert "enable_icc=false" in browser.get("/operators/services/").content.decode()
    finally:
        api.remove_network(closed)
