"""Every server on the process engine, in a sandbox and without one: made, reached, killed, started again."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

import pytest

from apps.core.errors import UserError
from apps.engines.base import Engine, Handle, Limits, Mount, Peer
from apps.engines.process import identity
from apps.servers.base import Server
from apps.servers.catalogue import SERVERS
from apps.servers.run import Credentials, launch_spec
from tests.engines.workloads import connect, run, shell, texts, until
from tests.servers.clients import address, rows_of, working_on, written_until_killed

LIMITS = Limits(cpu=1, memory=512)
HERE = [(server, version) for server in SERVERS.values() for version in sorted(server.installed())]


@pytest.fixture(params=["engine_agent", "plain_engine"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def pod() -> str:
    return f"pod-{uuid.uuid4()}"


def launched(engine: Engine, server: Server, version: str, pod: str, disk: Path, password: str = "first") -> Handle:
    spec = launch_spec(
        server, version, id=f"db-{uuid.uuid4()}", pod=pod, name="db", disk=str(disk), limits=LIMITS,
        credentials=Credentials(password, "admin"), image="",
    )  # fmt: skip
    if not engine.check().sandbox and os.geteuid() == 0:
        if server.kind == "PostgresDB":
            pytest.skip("PostgreSQL refuses users without a name, which root gives pods where there is no sandbox")
        if not all(identity.reachable(mount.source) for mount in spec.mounts):
            pytest.skip("without a sandbox what lies in root's own directories is nobody else's to run")
    handle = engine.launch(spec)

    def ready() -> bool:
        assert engine.status(handle).restarts == 0, texts(engine, handle)
        if not server.ready:
            return engine.probe(handle) is None
        try:
            return engine.exec(handle, ("sh", "-c", server.ready))[0] == 0
        except Exception:
            return False

    until(ready, f"{server.title} {version}")
    return handle


RESP = """
import os, socket, sys
def said(sock, *words):
    sock.sendall(b"*%d\\r\\n" % len(words))
    sock.sendall(b"".join(b"$%d\\r\\n%s\\r\\n" % (len(word), word) for word in map(str.encode, words)))
    return sock.recv(65536).decode()
with socket.create_connection((os.environ["HOST_OF"], 6379), 10) as sock:
    print(said(sock, "AUTH", os.environ["PASSWORD"]), said(sock, *sys.argv[1:]))
"""
CLIENTS = {
    "PostgresDB": ("psql", "-h", "$HOST_OF", "-U", "brainpod", "-d", "brainpod", "-v", "ON_ERROR_STOP=1", "-tAc"),
    "MariaDB": ("mariadb", "--no-defaults", "-h", "$HOST_OF", "-u", "brainpod", "--skip-ssl", "-N", "brainpod", "-e"),
}
WRITE = {
    "PostgresDB": "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7351)",
    "MariaDB": "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7351)",
    "Valkey": "SET kept 7351",
}
READ = {"PostgresDB": "SELECT n FROM kept", "MariaDB": "SELECT n FROM kept", "Valkey": "GET kept"}
EVERY = pytest.mark.parametrize(("server", "version"), HERE, ids=[f"{s.kind}-{v}" for s, v in HERE])


def asked(
    engine: Engine, server: Server, version: str, pod: str, text: str, password: str = "first", host: str = ""
) -> tuple[int, str]:
    """What an app of `pod` is answered that has the database among its peers."""
    installed = server.installed()[version]
    host = host or engine.peer_host(pod, "db")
    command = ("python3", "-c", RESP, *text.split())
    if server.kind in CLIENTS:
        command = tuple(word.replace("$HOST_OF", host) for word in (*CLIENTS[server.kind], text))
    finished, lines = run(
        engine,
        shell(
            "", pod=pod, command=command, path=installed.path, peers=(Peer("db", server.port),),
            mounts=tuple(Mount(root, root) for root in installed.roots), workdir="/tmp",
            env={"PGPASSWORD": password, "MYSQL_PWD": password, "PASSWORD": password, "HOST_OF": host},
        ),
    )  # fmt: skip
    return finished.exit_code, "\n".join(lines)


@EVERY
def test_what_an_app_wrote_is_there_after_a_kill(
    engine: Engine, server: Server, version: str, pod: str, disk: Path
) -> None:
    handle = launched(engine, server, version, pod, disk)
    code, output = asked(engine, server, version, pod, WRITE[server.kind])
    assert code == 0, output
    if server.kind == "Valkey":
        until(lambda: (disk / "valkey" / "appendonlydir").is_dir() or list((disk / "valkey").glob("*.aof")), "a log")
    engine.stop(handle, 0)  # SIGKILL
    handle = launched(engine, server, version, pod, disk)
    assert "7351" in asked(engine, server, version, pod, READ[server.kind])[1]
    engine.stop(handle, 30)


@EVERY
def test_a_new_password_counts_from_the_next_start(
    engine: Engine, server: Server, version: str, pod: str, disk: Path
) -> None:
    handle = launched(engine, server, version, pod, disk)
    assert asked(engine, server, version, pod, WRITE[server.kind])[0] == 0
    assert not works(engine, server, version, pod, "second")
    engine.stop(handle, 30)
    handle = launched(engine, server, version, pod, disk, password="second")
    assert works(engine, server, version, pod, "second")
    assert not works(engine, server, version, pod, "first")
    engine.stop(handle, 30)


def works(engine: Engine, server: Server, version: str, pod: str, password: str) -> bool:
    return "7351" in asked(engine, server, version, pod, READ[server.kind], password)[1]


@EVERY
def test_it_ends_in_order_with_clients_connected(
    engine: Engine, server: Server, version: str, pod: str, disk: Path
) -> None:
    handle = launched(engine, server, version, pod, disk)
    with connect(handle):
        began = time.monotonic()
        engine.stop(handle, 60)
        assert time.monotonic() - began < 50
    assert not working_on(disk)


@EVERY
def test_no_row_that_was_committed_is_lost_to_a_kill_under_load(
    engine: Engine, server: Server, version: str, pod: str, disk: Path
) -> None:
    handle = launched(engine, server, version, pod, disk)
    kept = written_until_killed(server.kind, handle, disk)
    rows = until(lambda: rows_of(server.kind, handle), "the server that was started again")
    assert not kept - rows
    assert engine.status(handle).restarts >= 1
    engine.stop(handle, 30)


@EVERY
def test_another_pod_does_not_reach_it_with_its_password(
    engine_agent: Engine, server: Server, version: str, pod: str, disk: Path
) -> None:
    """Tried from inside: at the address its own apps use, at that of the host's programs, by the same name."""
    if not engine_agent.check().sandbox:
        pytest.skip("without sandboxes a password is what keeps others out")
    handle = launched(engine_agent, server, version, pod, disk)
    assert asked(engine_agent, server, version, pod, WRITE[server.kind])[0] == 0
    stranger = f"pod-{uuid.uuid4()}"
    for host in (engine_agent.peer_host(pod, "db"), address(handle)[0], engine_agent.peer_host(stranger, "db")):
        code, output = asked(engine_agent, server, version, stranger, READ[server.kind], host=host)
        assert code != 0, host
        assert "7351" not in output
    engine_agent.stop(handle, 30)


@pytest.mark.skipif(not os.environ.get("CI"), reason="a developer's host need not have all of them")
def test_where_it_counts_every_server_is_there() -> None:
    there = {kind: set(server.installed()) for kind, server in SERVERS.items()}
    assert "18" in there["PostgresDB"]
    assert len(there["PostgresDB"]) >= 2, "the wheel's and the system's"
    assert there["MariaDB"]
    assert len(there["Valkey"]) >= 2, "the wheel's Valkey and the system's Redis"


@pytest.mark.parametrize("user", ["root", "platform", "brainpod", "mariadb.sys", ""])
def test_nobody_comes_into_a_mariadb_without_a_password(engine: Engine, user: str, pod: str, disk: Path) -> None:
    server = SERVERS["MariaDB"]
    for version in sorted(server.installed()):
        handle = launched(engine, server, version, pod, disk)
        host = engine.peer_host(pod, "db")
        words = ("mariadb", "--no-defaults", "-h", host, f"--user={user}", "--skip-ssl", "-e", "SELECT 1")
        path = server.installed()[version].path
        spec = shell("", pod=pod, command=words, path=path, peers=(Peer("db", server.port),), workdir="/tmp")
        finished, lines = run(engine, spec)
        assert finished.exit_code != 0
        assert "Access denied" in "\n".join(lines)
        engine.stop(handle, 30)


def test_a_version_that_is_not_here_says_what_to_install() -> None:
    with pytest.raises(UserError) as error:
        launch_spec(
            SERVERS["PostgresDB"], "3", id="x", pod="p", name="db", disk="/", limits=LIMITS,
            credentials=Credentials("a", "b"), image="",
        )  # fmt: skip
    assert error.value.code == "server_missing"
    assert "postgresql-3" in error.value.hint
