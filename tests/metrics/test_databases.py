"""What real servers say of themselves: figures, differences, statements without values; and those that say nothing."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import redis

from apps.core.errors import Unavailable
from apps.engines.base import Limits
from apps.engines.process.client import ProcessEngine
from apps.metrics.databases import SAMPLES, Database, charts, watch
from apps.metrics.databases.shape import shape
from apps.metrics.databases.watch import DatabaseWatch
from apps.metrics.models import Statements
from apps.metrics.steps import Batch
from apps.metrics.sums import Sums
from apps.servers.catalogue import SERVERS
from apps.servers.run import Credentials, launch_spec
from tests.engines.workloads import texts, until

HERE = [(kind, version) for kind, server in SERVERS.items() for version in sorted(server.installed())]
POD = "pod-figures"


@dataclass
class Served:
    database: Database
    pids: Callable[[], list[int]]


@pytest.fixture(scope="module", params=HERE, ids=[f"{kind}-{version}" for kind, version in HERE])
def served(request: pytest.FixtureRequest, engine_agent: ProcessEngine) -> Iterator[Served]:
    """One of each kind and version that this host has, started as the platform starts them."""
    kind, version = request.param
    server = SERVERS[kind]
    if kind == "PostgresDB" and not engine_agent.check().sandbox and os.geteuid() == 0:
        pytest.skip("PostgreSQL refuses users without a name, which root gives pods where there is no sandbox")
    with tempfile.TemporaryDirectory(prefix="bp-db-", dir="/tmp") as place:
        Path(place).chmod(0o711)
        disk = Path(place) / "disk"
        disk.mkdir()
        spec = launch_spec(
            server, version, id=f"db-{uuid.uuid4()}", pod=f"pod-{uuid.uuid4()}", name="db", disk=str(disk),
            limits=Limits(cpu=1, memory=512), credentials=Credentials("apps", "admin"), image="",
        )  # fmt: skip
        handle = engine_agent.launch(spec)
        try:
            until(lambda: engine_agent.probe(handle) is None, f"{server.title}: {texts(engine_agent, handle)}")
            host, _, port = str(handle.get("tcp") or handle["address"]).rpartition(":")
            found = Database(POD, f"db-{kind.lower()}-{version}", kind, host, int(port), lambda: "admin")
            until(lambda: answers(found), "it to let people in")
            yield Served(found, lambda: servers(disk))
        finally:
            engine_agent.stop(handle, 30)


def servers(disk: Path) -> list[int]:
    """The processes that run upon `disk`, as the host numbers them."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            mounts = (place / "mountinfo").read_text() if str(disk) not in (place / "cmdline").read_text() else ""
        except OSError:
            continue
        if str(disk) in mounts and b"bwrap" not in (place / "cmdline").read_bytes():
            found.append(int(place.name))
    return found


def answers(database: Database) -> bool:
    try:
        watch.CONNECT[database.kind](database.host, database.port, "admin").close()
        talk(database)
    except (psycopg.Error, pymysql.Error, redis.RedisError):
        return False
    return True


SECRET = "s3cr3t-7351-value"


def talk(database: Database) -> None:
    """Some reads, with a value among them that nobody else may see."""
    where: dict[str, Any] = {"host": database.host, "port": database.port, "password": "apps"}
    if database.kind == "PostgresDB":
        with psycopg.connect(**where, user="brainpod", dbname="brainpod", autocommit=True) as sql:
            sql.execute("CREATE TABLE IF NOT EXISTS t (a int, b text)")
            for _ in range(5):
                sql.execute(f"SELECT a /* {SECRET} */ FROM t WHERE b = '{SECRET}' AND a > 735142")
    elif database.kind == "MariaDB":
        with pymysql.connect(**where, user="brainpod", database="brainpod") as maria, maria.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS t (a int, b text)")
            for _ in range(5):
                cursor.execute(f"SELECT a /* {SECRET} */ FROM t WHERE b = '{SECRET}' AND a > 735142")
    else:
        with redis.Redis(**where) as keys:
            keys.set(SECRET, "735142")
            keys.get(SECRET)
            keys.get("nothing")


def rounds(asker: DatabaseWatch, until_samples: int, seconds: float = 60) -> tuple[Sums, list[Statements]]:
    batch, told = Batch(), []
    deadline = time.monotonic() + seconds
    while True:
        told += asker.look(batch)
        whole = Sums()
        for sums in batch.fine.values():
            whole.add(sums)
        if whole.figures.get(SAMPLES, 0) >= until_samples:
            return whole, told
        assert time.monotonic() < deadline, whole
        time.sleep(0.05)


def test_figures_of_a_server(served: Served) -> None:
    asker = DatabaseWatch(lambda: {"w": served.database})
    try:
        talk(served.database)
        first, (row,) = rounds(asker, 1)
        assert "hits" not in first.figures, "what was before is not ours to count"
        talk(served.database)
        found, _ = rounds(asker, 2)
    finally:
        asker.close()
    limit, connections = charts.average(found, "limit"), charts.average(found, "connections")
    assert limit is not None
    assert limit >= 100
    assert connections is not None
    assert connections < 5
    size = charts.average(found, "size")
    assert size is not None
    assert size > (1_000 if served.database.kind == "MariaDB" else 100_000)
    assert found.figures["hits"] > 0
    ratio = charts.hit_ratio(found)
    assert ratio is not None
    assert 0 < ratio <= 1
    assert (charts.average(found, "keys") is None) == (served.database.kind != "Valkey")
    said = [text for text, *_ in row.rows]
    assert any("GET" in text if served.database.kind == "Valkey" else "SELECT" in text for text in said), said
    assert all(calls > 0 and total >= 0 for _, calls, total, _ in row.rows)
    assert SECRET not in str(row.rows)
    assert "735142" not in str(row.rows)


def test_statements_that_take_long_are_counted_once(served: Served) -> None:
    if served.database.kind == "Valkey":
        pytest.skip("what is slow for Valkey is a hundredth of a second")
    asker = DatabaseWatch(lambda: {"w": served.database})
    where: dict[str, Any] = {"host": served.database.host, "port": served.database.port, "password": "apps"}
    try:
        rounds(asker, 1)
        if served.database.kind == "PostgresDB":
            with psycopg.connect(**where, user="brainpod", dbname="brainpod") as sql, ThreadPoolExecutor(1) as beside:
                sleeping = beside.submit(sql.execute, "SELECT pg_sleep(3)")
                found = Sums()
                while not sleeping.done():
                    found.add(rounds(asker, 2)[0])
        else:
            with pymysql.connect(**where, user="brainpod") as maria, maria.cursor() as cursor:
                cursor.execute("SELECT SLEEP(1.2)")
            found, deadline = Sums(), time.monotonic() + 20
            while not found.figures.get("slow") and time.monotonic() < deadline:  # it counts after it has answered
                found.add(rounds(asker, 1)[0])
            found.add(rounds(asker, 2)[0])
    finally:
        asker.close()
    assert found.figures["slow"] == 1


def test_a_frozen_server_holds_up_nobody(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "RESTS", (0.1, 0.2))
    asker = DatabaseWatch(lambda: {"w": served.database})
    try:
        rounds(asker, 1)
        if not (frozen := served.pids()):
            pytest.skip("its processes are not to be told from others here")
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            asker.look(Batch())
            asker.look(Batch())
            assert time.monotonic() - began < 1
            server = asker._servers["w"]

            def failed() -> bool:
                asker.look(Batch())
                return server.failures > 0

            until(failed, "the look to be given up", seconds=30)
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        rounds(asker, 1)
    finally:
        asker.close()


def test_servers_that_are_away_say_nothing_and_the_others_go_on(served: Served) -> None:
    with socket.socket() as silent, socket.socket() as closed:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)  # connects, and never says a word
        closed.bind(("127.0.0.1", 0))
        away = {
            f"{kind}{number}": replace(served.database, name="away", kind=kind, host="127.0.0.1", port=port)
            for kind in SERVERS
            for number, port in enumerate((silent.getsockname()[1], closed.getsockname()[1]))
        }

        def no_password() -> str:
            raise Unavailable("secrets_unavailable", "It does not answer.")

        away |= {
            "locked": replace(served.database, name="away", password=no_password),
            "wrong": replace(served.database, name="away", password=lambda: "wrong"),
        }
        asker = DatabaseWatch(lambda: away | {"w": served.database})
        try:
            batch = Batch()
            began = time.monotonic()
            asker.look(batch)
            assert time.monotonic() - began < 1

            def round() -> bool:
                asker.look(batch)
                return all(asker._servers[name].failures for name in away)

            until(round, "all of them to be given up", seconds=60)
            rounds(asker, 1)
            assert not [key for key in batch.fine if key.app == "away"]
        finally:
            asker.close()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("SELECT * FROM t1 WHERE a = $1 AND b2 = 7", "SELECT * FROM t1 WHERE a = $1 AND b2 = ?"),
        ("SELECT 'it''s', E'a\\'b', 1.5e-3, 0xff", "SELECT ?, E?, ?, ?"),
        ("SELECT 1 -- secret\n, 2 /* secret */", "SELECT ? , ?"),
        ("SELECT $tag$secret$tag$, $$secret$$", "SELECT ?, ?"),
        ("SELECT 'cut off in the mid", "SELECT ?"),
        ("SELECT /* cut off", "SELECT"),
        ("SELECT '-- no comment', '/*' FROM a, b WHERE c = '*/'", "SELECT ?, ? FROM a, b WHERE c = ?"),
        ("x" * 500, "x" * 400 + "…"),
    ],
)
def test_the_shape_of_a_statement(said: str, kept: str) -> None:
    assert shape(said) == kept


def test_differences() -> None:
    def answer(clock: float, **counters: int) -> watch.Answer:
        return watch.Answer(0, clock, watch.Look({}, counters), None)

    assert watch.differences(None, answer(0, hits=5)) == {}
    assert watch.differences(answer(0, hits=5), answer(15, hits=9)) == {"hits": 4}
    assert watch.differences(answer(0, hits=5), answer(15, hits=2)) == {"hits": 2}, "it began anew"
    assert watch.differences(answer(0, hits=5), answer(600, hits=9)) == {}, "nobody looked for long"
