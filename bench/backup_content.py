"""What the row `backup` is measured with, for each kind: content that every row of is known, and the bare way.

The bare way is the server's own: its dump program (or BGSAVE, or tar) into a compressed, synced file, and that file
loaded where nothing is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pymysql.cursors
import redis
import zstandard

from apps.backups import sealing
from apps.backups.kinds import disk
from apps.backups.kinds.base import At
from apps.backups.kinds.programs import program, started
from apps.disks.places import Disk
from apps.pods.models import Pod
from apps.servers.base import NAME
from apps.servers.catalogue import SERVERS
from tests.backups.conftest import CREDENTIALS, LINES, Running, running

ROW = 1000  # bytes of one, about
SPARE = "bare"  # the database that the bare way loads into
ALONE = {"HOME": "/", "LC_ALL": "C"}


def row(number: int) -> tuple[int, str, str]:
    """Half of it can be compressed."""
    noise = "".join(hashlib.sha512(b"%d-%d" % (number, k)).hexdigest() for k in range(4))
    return number, "the same words again " * 24, noise[: ROW // 2]


class Content:
    """Of one kind. `at`: as the product's kinds take it. `wrong`: the first row that is not what was put there."""

    kind: str
    at: Any

    def fill(self, rows: int) -> None: ...

    def spoil(self) -> None:
        """Nothing of it is left."""

    def everything(self) -> Iterator[tuple[int, str, str]]:
        raise NotImplementedError

    def wrong(self, rows: int) -> str:
        """Empty where all of it is there, and nothing besides."""
        number = -1
        for number, found in enumerate(self.everything()):
            if tuple(found) != row(number):
                return f"{self.kind}: row {number} is {found!r:.100}"
        return "" if number + 1 == rows else f"{self.kind}: {number + 1} rows instead of {rows}"

    def dump_bare(self, file: Path) -> None:
        raise NotImplementedError

    def load_bare(self, file: Path) -> Callable[[], None]:
        """What has to be done afterwards, which is not measured."""
        raise NotImplementedError

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """While what was restored takes its place."""
        yield


class Database(Content):
    """A PostgreSQL or a MariaDB."""

    def __init__(self, stack: ExitStack, engine: Any, kind: str, rows: int) -> None:
        self.kind = kind
        self.server = stack.enter_context(running(engine, kind, LINES[kind][0]))
        self.at = _at(self.server)

    def fill(self, rows: int) -> None:
        self.server.ask("CREATE TABLE things (id int PRIMARY KEY, word text, noise text)")
        with self.server.connect() as connection, connection.cursor() as cursor:
            for batch in _batches(rows):
                marks = ", ".join(["(%s, %s, %s)"] * len(batch))
                cursor.execute(f"INSERT INTO things VALUES {marks}", [value for n in batch for value in row(n)])

    def spoil(self) -> None:
        self.server.ask("DROP TABLE things")

    def everything(self) -> Iterator[tuple[int, str, str]]:
        query = "SELECT id, word, noise FROM things ORDER BY id"
        with self.server.connect() as connection:
            if self.kind == "PostgresDB":
                with connection.transaction(), connection.cursor("every") as cursor:
                    yield from cursor.execute(query)
            else:
                with connection.cursor(pymysql.cursors.SSCursor) as cursor:
                    cursor.execute(query)
                    yield from cursor

    def dump_bare(self, file: Path) -> None:
        with started(*self._bare("pg_dump", "mariadb-dump", NAME), secrets=[]) as dump:
            _packed(dump.output, file)
            dump.ended()

    def load_bare(self, file: Path) -> Callable[[], None]:
        self._as_admin(f"CREATE DATABASE {SPARE}")
        with file.open("rb") as packed, started(
            *self._bare("pg_restore", "mariadb", SPARE), secrets=[], feeds=True
        ) as load:  # fmt: skip
            load.feed(zstandard.ZstdDecompressor().stream_reader(packed, read_size=sealing.BLOCK))
        return lambda: self._as_admin(f"DROP DATABASE {SPARE}")

    def _bare(self, postgres: str, mariadb: str, database: str) -> tuple[list[str], dict[str, str]]:
        at = self.at
        if self.kind == "PostgresDB":
            words = ["--format=custom", "--compress=0"] if postgres == "pg_dump" else ["--no-owner"]
            way = [f"--host={at.host}", f"--port={at.port}", f"--username={at.admin}", f"--dbname={database}"]
            return [program(at.tools, postgres, ""), *words, *way], {"PGPASSWORD": at.admin_password}
        words = ["--single-transaction", "--quick", "--hex-blob"] if mariadb == "mariadb-dump" else ["--batch"]
        way = ["--no-defaults", f"--host={at.host}", f"--port={at.port}", f"--user={at.admin}", "--skip-ssl"]
        return [program(at.tools, mariadb, ""), *way, *words, database], {"MYSQL_PWD": at.admin_password}

    def _as_admin(self, statement: str) -> None:
        with closing(self.server.connect(self.at.admin, CREDENTIALS.admin_password)) as connection:
            connection.cursor().execute(statement)


class Keys(Content):
    """A Valkey: half of its keys are texts, half are hashes."""

    kind = "Valkey"

    def __init__(self, stack: ExitStack, engine: Any, kind: str, rows: int) -> None:
        self._stack, self._engine = stack, engine
        self._memory = 512 + rows * ROW * 3 // 1_000_000
        self.disk = _disk(stack)
        self._start()
        self.at = _at(self.server, self.disk)

    def fill(self, rows: int) -> None:
        for batch in _batches(rows):
            with self._asked() as asked, asked.pipeline(transaction=False) as pipe:
                for number, word, noise in map(row, batch):
                    if number % 2:
                        pipe.hset(f"thing:{number}", mapping={"word": word, "noise": noise})
                    else:
                        pipe.set(f"thing:{number}", word + noise)
                pipe.execute()
        busy = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
        with self._asked() as asked:  # what it began by itself, with so many writes
            while any(asked.info("persistence")[name] for name in busy):
                time.sleep(0.1)

    def spoil(self) -> None:
        with self._asked() as asked:
            asked.flushall()

    def everything(self) -> Iterator[tuple[int, str, str]]:
        with self._asked() as asked:
            for batch in _batches(asked.dbsize()):
                with asked.pipeline(transaction=False) as pipe:
                    for number in batch:
                        pipe.hmget(f"thing:{number}", "word", "noise") if number % 2 else pipe.get(f"thing:{number}")
                    for number, found in zip(batch, pipe.execute(), strict=True):
                        word, noise = found if number % 2 else ((found or "")[:504], (found or "")[504:])
                        yield number, word, noise

    def dump_bare(self, file: Path) -> None:
        with self._asked() as asked:
            begun = asked.info("persistence")["rdb_saves"]
            asked.bgsave()
            while (said := asked.info("persistence"))["rdb_bgsave_in_progress"] or said["rdb_saves"] <= begun:
                time.sleep(0.01)
        with (self.disk.path / "valkey/dump.rdb").open("rb") as saved:
            _packed(saved, file)

    def load_bare(self, file: Path) -> Callable[[], None]:
        """A server that is started over the snapshot, until it answers."""
        place = file.with_name("valkey")
        place.mkdir()
        with file.open("rb") as packed, (place / "dump.rdb").open("wb") as out:
            zstandard.ZstdDecompressor().copy_stream(packed, out, write_size=sealing.BLOCK)
        server = shutil.which("valkey-server", path=":".join(self.at.tools.path)) or "redis-server"
        words = [server, "--port", "0", "--unixsocket", str(place / "door"), "--dir", str(place), "--save", ""]
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=ALONE)
        _answers(redis.Redis(unix_socket_path=str(place / "door")))

        def end() -> None:
            child.kill()
            child.wait()
            shutil.rmtree(place)

        return end

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self._running.close()
        yield
        self._start()

    def _start(self) -> None:
        self._running = self._stack.enter_context(ExitStack())
        server = running(self._engine, self.kind, LINES[self.kind][0], memory=self._memory, disk=self.disk.path)
        self.server = self._running.enter_context(server)
        with self._asked() as asked:
            _answers(asked)
        found, its = self.server, SERVERS[self.kind]
        with redis.Redis(
            host=found.host, port=found.port, username=its.admin, password=CREDENTIALS.admin_password
        ) as admin:  # fmt: skip
            admin.config_set("save", "")  # no snapshots but those that are asked for

    def _asked(self) -> Any:
        found = self.server
        return closing(
            redis.Redis(host=found.host, port=found.port, password=CREDENTIALS.password, decode_responses=True)
        )


class Files(Content):
    """A disk, whose files have a thousand rows each."""

    kind = "Disk"

    def __init__(self, stack: ExitStack, engine: Any, kind: str, rows: int) -> None:
        self.disk = _disk(stack)
        self.at = disk.At(self.disk)

    def fill(self, rows: int) -> None:
        for number, batch in enumerate(_batches(rows, 1000)):
            lines = [" | ".join(map(str, row(n))) + "\n" for n in batch]
            (self.disk.path / f"{number:06}").write_text("".join(lines))

    def spoil(self) -> None:
        for path in self.disk.path.iterdir():
            path.unlink()

    def everything(self) -> Iterator[tuple[int, str, str]]:
        for path in sorted(self.disk.path.iterdir()):
            for line in path.read_text().splitlines():
                number, word, noise = line.split(" | ")
                yield int(number), word, noise

    def dump_bare(self, file: Path) -> None:
        with started(["tar", "--create", "--directory", str(self.disk.path), "."], {}, secrets=[]) as tar:
            _packed(tar.output, file)
            tar.ended()

    def load_bare(self, file: Path) -> Callable[[], None]:
        place = file.with_name("disk")
        place.mkdir()
        command = ["tar", "--extract", "--directory", str(place)]
        with file.open("rb") as packed, started(command, {}, secrets=[], feeds=True) as tar:
            tar.feed(zstandard.ZstdDecompressor().stream_reader(packed, read_size=sealing.BLOCK))
        subprocess.run(["sync", "--file-system", str(place)], check=True)
        return lambda: shutil.rmtree(place)


CONTENT: dict[str, Any] = {"PostgresDB": Database, "MariaDB": Database, "Valkey": Keys, "Disk": Files}


def _at(server: Running, data: Disk | None = None) -> At:
    its = SERVERS[server.kind]
    return At(
        its, server.version, server.host, server.port, CREDENTIALS.password, CREDENTIALS.admin_password,
        its.installed()[server.version], data, admin=its.admin,
    )  # fmt: skip


def _disk(stack: ExitStack) -> Disk:
    """Of a pod that no row is of, and that nothing runs in."""
    made = Disk(Pod(pk=f"bench-{os.urandom(4).hex()}"), "data", 5, "", False)
    made.path.mkdir(parents=True)
    stack.callback(shutil.rmtree, made.path.parent.parent, ignore_errors=True)
    return made


def _batches(rows: int, many: int = 500) -> Iterable[range]:
    return (range(first, min(first + many, rows)) for first in range(0, rows, many))


def _packed(source: Any, into: Path) -> None:
    with into.open("wb") as file:
        compressor = zstandard.ZstdCompressor(level=sealing.LEVEL, threads=sealing.THREADS)
        compressor.copy_stream(source, file, read_size=sealing.BLOCK)
        file.flush()
        os.fsync(file.fileno())


def _answers(asked: Any) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            asked.ping()
            return
        except (redis.ConnectionError, redis.BusyLoadingError):
            time.sleep(0.01)
    raise TimeoutError("the Valkey does not answer")
