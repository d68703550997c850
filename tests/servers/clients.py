"""Programs of the host that write to a database and read it: the drivers themselves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Protocol

import psycopg
import redis

from apps.engines.base import Handle
from tests.engines.workloads import until

WAIT = 20  # seconds for anything


def address(handle: Handle) -> tuple[str, int]:
    """Where the host reaches it."""
    host, _, port = str(handle.get("tcp") or handle["address"]).rpartition(":")
    return host, int(port)


class Client(Protocol):
    def __init__(self, host: str, port: int, password: str = "first") -> None: ...

    def prepare(self) -> None: ...
    def write(self, number: int) -> None:
        """Returns once it is committed."""
        ...

    def read(self) -> set[int]: ...


class Postgres:
    def __init__(self, host: str, port: int, password: str = "first") -> None:
        self._made = psycopg.connect(
            host=host, port=port, user="brainpod", password=password, dbname="brainpod", autocommit=True,
            connect_timeout=WAIT,
        )  # fmt: skip

    def prepare(self) -> None:
        self._made.execute("CREATE TABLE numbers (n int)")

    def write(self, number: int) -> None:
        self._made.execute("INSERT INTO numbers VALUES (%s)", [number])

    def read(self) -> set[int]:
        return {row[0] for row in self._made.execute("SELECT n FROM numbers")}


class Maria:
    """Its own client, which answers line by line."""

    def __init__(self, host: str, port: int, password: str = "first") -> None:
        words = ("--no-defaults", "-h", host, "-P", str(port), "-u", "brainpod", "--skip-ssl", "-N", "--unbuffered")
        self._made = subprocess.Popen(
            ["mariadb", *words, f"--connect-timeout={WAIT}", "brainpod"], text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"MYSQL_PWD": password},
        )  # fmt: skip

    def _ask(self, statement: str) -> str:
        """What it answers; raises when the connection or the client has gone."""
        assert self._made.stdin
        assert self._made.stdout
        self._made.stdin.write(f"{statement}\n")
        answer = self._made.stdout.readline()
        if not answer:
            self._made.communicate()
            raise ConnectionError("the client has ended")
        return answer.strip()

    def prepare(self) -> None:
        self._ask("CREATE TABLE numbers (n int); SELECT 'made';")

    def write(self, number: int) -> None:
        self._ask(f"INSERT INTO numbers VALUES ({number}); SELECT 'written';")

    def read(self) -> set[int]:
        self._ask("SET SESSION group_concat_max_len = 100000000; SELECT 'set';")
        found = self._ask("SELECT GROUP_CONCAT(n) FROM numbers;")
        self._made.communicate()
        return {int(word) for word in found.split(",")}


class Keys:
    def __init__(self, host: str, port: int, password: str = "first") -> None:
        self._made = redis.Redis(
            host=host, port=port, password=password, socket_timeout=WAIT, socket_connect_timeout=WAIT, retry=None
        )

    def prepare(self) -> None:
        self._made.ping()

    def write(self, number: int) -> None:
        self._made.rpush("numbers", number)

    def read(self) -> set[int]:
        return {int(word) for word in self._made.lrange("numbers", 0, -1)}  # type: ignore[union-attr]


CONNECT: dict[str, type[Client]] = {"PostgresDB": Postgres, "MariaDB": Maria, "Valkey": Keys}


def rows_of(kind: str, handle: Handle, password: str = "first") -> set[int]:
    """Everything that was written; nothing while it does not answer or lets nobody in."""
    try:
        return CONNECT[kind](*address(handle), password).read()
    except Exception:
        return set()


def written_until_killed(kind: str, handle: Handle, disk: Path, password: str = "first") -> set[int]:
    """The numbers it said were committed before SIGKILL ended it and whatever belongs to it."""
    client = CONNECT[kind](*address(handle), password)
    client.prepare()
    kept: list[int] = []

    def write() -> None:
        with contextlib.suppress(Exception):  # it ends with the server
            while True:
                client.write(len(kept))
                kept.append(len(kept))

    writer = threading.Thread(target=write)
    writer.start()
    until(lambda: len(kept) >= 100, "rows")
    victims = working_on(disk)
    assert victims
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    writer.join(60)
    assert not writer.is_alive()
    return set(kept)


def working_on(disk: Path) -> list[int]:
    """The processes whose working directory is on `disk`, whatever they call it."""
    there = {(found.st_dev, found.st_ino) for found in map(os.stat, (disk, *disk.iterdir()))}
    pids = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found = path.stat()
        except OSError:  # gone meanwhile, or somebody else's
            continue
        if (found.st_dev, found.st_ino) in there:
            pids.append(int(path.parent.name))
    return pids
