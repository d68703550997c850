"""Every server in a container, in images as the official ones are.

Of a pod, and PostgreSQL as an infrastructure service that pods share in the network that infrastructure.yml names.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from apps.servers.catalogue import SERVERS
from apps.servers.run import Credentials, launch_spec
from tests.engines.workloads import connect, run, shell, texts, until
from tests.engines.workloads import name as fresh
from tests.infrastructure.services.conftest import healthy
from tests.people import make_user
from tests.servers.clients import CONNECT, address, rows_of, working_on, written_until_killed
from tests.stack.docker_engine import ImageEngine
from tests.stack.server_images import Images, ServerImage

KINDS = pytest.mark.parametrize("kind", list(SERVERS))
REACH = "import socket; socket.create_connection(('{}', {}), 5).close(); print('reached')"


@pytest.fixture
def pod() -> str:
    return f"pod-{uuid.uuid4()}"


def launched(engine: ImageEngine, image: ServerImage, pod: str, disk: Path, password: str = "first") -> Handle:
    server = SERVERS[image.kind]
    spec = launch_spec(
        server, image.version, id=f"db-{uuid.uuid4()}", pod=pod, name="db", disk=str(disk),
        limits=Limits(cpu=1, memory=512), credentials=Credentials(password, "admin"), image=image.reference,
    )  # fmt: skip
    handle = engine.launch(spec)

    def ready() -> bool:
        assert engine.status(handle).restarts == 0, texts(engine, handle)
        if not server.ready:
            return engine.probe(handle) is None
        try:
            return engine.exec(handle, ("sh", "-c", server.ready))[0] == 0
        except PlatformError:  # it does not run yet
            return False

    until(ready, server.title, seconds=120)
    return handle


@KINDS
def test_it_keeps_what_was_committed_and_answers_its_pod_alone(
    docker_engine: ImageEngine, server_image: Images, kind: str, pod: str, disk: Path
) -> None:
    image, port = server_image(kind), SERVERS[kind].port
    handle = launched(docker_engine, image, pod, disk)
    client = CONNECT[kind](*address(handle))
    client.prepare()
    for number in range(50):
        client.write(number)
    docker_engine.stop(handle, 0)
    handle = launched(docker_engine, image, pod, disk)
    host = address(handle)[0]
    assert CONNECT[kind](*address(handle)).read() == set(range(50))
    stranger = f"pod-{uuid.uuid4()}"
    for who, name, reached in ((pod, "db", True), (stranger, "db", False), (stranger, host, False)):
        words = ("python3", "-c", REACH.format(name, port))
        _, lines = run(docker_engine, shell("", pod=who, command=words, peers=(Peer("db", port),)))
        assert (lines == ["reached"]) == reached, (name, lines)
    docker_engine.stop(handle, 30)


@KINDS
def test_no_row_that_was_committed_is_lost_to_a_kill_under_load(
    docker_engine: ImageEngine, server_image: Images, kind: str, pod: str, disk: Path
) -> None:
    handle = launched(docker_engine, server_image(kind), pod, disk)
    kept = written_until_killed(kind, handle, disk)
    rows = until(lambda: rows_of(kind, handle), "the server that was started again")
    assert not kept - rows
    assert docker_engine.status(handle).restarts >= 1
    docker_engine.stop(handle, 30)


@KINDS
def test_only_the_newest_password_counts(
    docker_engine: ImageEngine, server_image: Images, kind: str, pod: str, disk: Path
) -> None:
    handle = launched(docker_engine, server_image(kind), pod, disk)
    client = CONNECT[kind](*address(handle))
    client.prepare()
    client.write(7351)
    docker_engine.stop(handle, 30)
    handle = launched(docker_engine, server_image(kind), pod, disk, password="second")
    assert rows_of(kind, handle, "second") == {7351}
    assert rows_of(kind, handle, "first") == set(), "nobody is let in with it"
    docker_engine.stop(handle, 30)


@KINDS
def test_it_ends_in_order_with_clients_connected(
    docker_engine: ImageEngine, server_image: Images, kind: str, pod: str, disk: Path
) -> None:
    handle = launched(docker_engine, server_image(kind), pod, disk)
    CONNECT[kind](*address(handle)).prepare()
    with connect(handle):
        began = time.monotonic()
        docker_engine.stop(handle, 60)
        assert time.monotonic() - began < 50
    assert not working_on(disk)


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


def asked(engine: ImageEngine, image: ServerImage, service: Service, pod: Pod, *, peer: bool = True) -> list[str]:
    """What an app of `pod` is answered by its database."""
    own = shared_name(pod.pk, "db")
    host = engine.peer_host(SERVICES, service.name)
    words = ("psql", "-h", host, "-U", own, "-d", own, "-tAc", "SELECT current_user")
    peers = (Peer(service.name, 5432, SERVICES),) if peer else ()
    env = {"PGPASSWORD": "the-password-of-the-pod", "PGCONNECT_TIMEOUT": "5"}
    return run(
        engine, shell("", pod=pod.pk, image=image.reference, command=words, peers=peers, env=env, workdir="/tmp")
    )[1]


@pytest.mark.django_db(transaction=True)
def test_apps_reach_their_databases_at_a_shared_server(
    engine: ImageEngine,
    server_image: Images,
    file: Path,
    team: Team,
    alice: User,
    client_of: Callable[..., Client],
) -> None:
    if engine.starter.egress.impossible(True) or not meeting.asks_firewall():
        pytest.skip("no rules can be made here")
    database, image = fresh("data"), server_image("PostgresDB")
    file.write_text(f"infrastructure:\n  default_database_network: {database}\n")
    networks.tend()
    shown = {one.purpose: one for one in networks.every()}
    assert (shown[DATABASE].name, shown[DATABASE].made, shown[DATABASE].problem) == (database, True, "")
    assert shown[PROXY].name == PROXY
    called = f"main-{uuid.uuid4().hex[:6]}"
    service = actions.add_managed(
        name=called, type="postgresql", version=image.version, image=image.reference, memory=256, shared=True, by=None
    )
    healthy(service)
    pod = pod_of(team, alice, service)
    assert asked(engine, image, service, pod) == [shared_name(pod.pk, "db")]
    assert asked(engine, image, service, pod, peer=False) != [shared_name(pod.pk, "db")]
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
