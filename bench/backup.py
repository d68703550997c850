"""`backup`: a backup of a PostgreSQL and a MariaDB against its own dump program piped through the same compression.

Also alone: `python -m bench.backup_of MB`.
The limit is `pg_dump | zstd` into a synced file, without a seal, a digest or counts.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import zstandard
from pyrage import x25519

from apps.backups import sealing
from apps.backups.kinds import KINDS
from apps.backups.kinds.base import At
from apps.backups.kinds.programs import program, started
from apps.servers.base import NAME
from apps.servers.catalogue import SERVERS
from bench.row import Row, take_turns
from tests.backups.conftest import CREDENTIALS, LINES, Running, running
from tests.stack.engine import EngineAgent

TARGET = 1.1
MB = 100
ROW = 1000  # bytes, about
ROUNDS = 5


def measure(ground: Any = None, *, mb: int = MB, rounds: int = 0) -> Row:
    rounds = rounds or min(ROUNDS, ground.rounds if ground else ROUNDS)
    pairs = {}
    with ExitStack() as stack:
        agent = EngineAgent()
        agent.start()
        stack.callback(agent.remove)
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bp-bench-")))
        for kind in KINDS:
            server = stack.enter_context(running(agent.engine, kind, LINES[kind][0]))
            _fill(server, mb)
            at = _at(server)
            identity = x25519.Identity.generate()
            pairs[kind] = take_turns(rounds, partial(_backup, at, place, identity), partial(_bare, at, place))
    ratios = {kind: pair.medians[0] / pair.medians[1] for kind, pair in pairs.items()}
    worst = max(ratios, key=lambda kind: ratios[kind])
    product, limit = pairs[worst].medians
    return Row(
        "backup", "s", product, f"≤ {TARGET}×", ratios[worst] <= TARGET, limit, "the bare dump | zstd",
        pairs[worst].samples(),
        details={
            "what": f"{mb} MB each, dumped, compressed (level {sealing.LEVEL}), sealed, counted, digested, on the disk",
            **{kind: f"{ratio:.2f}×, {pairs[kind].medians[0]:.2f} s" for kind, ratio in ratios.items()},
        },
    )  # fmt: skip


def _at(server: Running) -> At:
    its = SERVERS[server.kind]
    return At(
        its, server.version, server.host, server.port, CREDENTIALS.password, CREDENTIALS.admin_password,
        its.installed()[server.version], "bench", "db", admin=its.admin,
    )  # fmt: skip


def _backup(at: At, place: Path, identity: x25519.Identity) -> float:
    began = time.monotonic()
    path = place / "product"
    with KINDS[at.server.kind].dump(at) as dump, sealing.sealing(dump, path, [identity.to_public()]):
        dump.finish()
    took = time.monotonic() - began
    path.unlink()
    return took


def _bare(at: At, place: Path) -> float:
    began = time.monotonic()
    with (place / "limit").open("wb") as file, started(*_command(at), secrets=[]) as running_it:
        compressor = zstandard.ZstdCompressor(level=sealing.LEVEL, threads=sealing.THREADS)
        compressor.copy_stream(running_it.output, file, read_size=sealing.BLOCK)
        running_it.ended()
        os.fsync(file.fileno())
    return time.monotonic() - began


def _command(at: At) -> tuple[list[str], dict[str, str]]:
    if at.server.kind == "PostgresDB":
        tool = program(at.tools, "pg_dump", "")
        way = [f"--host={at.host}", f"--port={at.port}", f"--username={at.admin}", f"--dbname={NAME}"]
        return [tool, "--format=custom", "--compress=0", *way], {"PGPASSWORD": at.admin_password}
    tool = program(at.tools, "mariadb-dump", "")
    way = ["--no-defaults", f"--host={at.host}", f"--port={at.port}", f"--user={at.admin}", "--skip-ssl"]
    return [tool, *way, "--single-transaction", "--quick", "--hex-blob", NAME], {"MYSQL_PWD": at.admin_password}


def _fill(server: Running, mb: int) -> None:
    """Rows of about ROW bytes, half of which can be compressed."""
    rows, table = mb * 1_000_000 // ROW, "CREATE TABLE things (id int PRIMARY KEY, word text, noise text)"
    server.ask(table)
    connection: psycopg.Connection[Any] | pymysql.Connection[Any]
    with server.connect() as connection, connection.cursor() as cursor:
        for first in range(0, rows, 500):
            values = []
            for n in range(first, min(first + 500, rows)):
                seed = str(n).encode()
                noise = "".join(hashlib.sha512(seed + bytes([k])).hexdigest() for k in range(4))
                values += [n, "the same words again " * 24, noise[: ROW // 2]]
            marks = ", ".join(["(%s, %s, %s)"] * (len(values) // 3))
            cursor.execute(f"INSERT INTO things VALUES {marks}", values)
