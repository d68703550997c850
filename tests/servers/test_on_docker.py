"""PostgreSQL in a container, in an image as the official ones are: started as root, its own user among others."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import uuid
from pathlib import Path

import psycopg
import pytest

from apps.core.errors import PlatformError
from apps.engines.base import Handle, Limits, Peer
from apps.servers.postgres import DEBIAN, POSTGRES
from apps.servers.run import Credentials, launch_spec
from tests.engines.workloads import run, shell, texts, until
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
