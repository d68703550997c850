"""Looks at database servers beside everything else: a server that is slow or away holds up nobody.

Every round takes what the looks before it brought, and asks anew those that have answered. A few threads ask; each
server takes one of them for some seconds at most, and one that failed is left alone for longer and longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from django.utils import timezone

from apps.metrics.databases import (
    COUNTERS,
    SAMPLES,
    Connection,
    Database,
    Databases,
    Look,
    Statement,
    mariadb,
    postgres,
    valkey,
)
from apps.metrics.models import Statements
from apps.metrics.steps import FINE, Batch

AT_ONCE = 4
SLOWLY = 60.0  # seconds between two of what takes longer: sizes and statements
LONGEST = 2.5 * FINE  # seconds between two looks; after a longer pause nothing is said of what was in it
RESTS = (FINE, 300.0)  # seconds a server that failed is left alone: the first time, and at most

CONNECT: Mapping[str, Callable[..., Connection]] = {
    "PostgresDB": postgres.Connection,
    "MariaDB": mariadb.Connection,
    "Valkey": valkey.Connection,
}
logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """`at`: the wall's time; `clock`: one that never jumps. `statements`: None where it was not asked for them."""

    at: float
    clock: float
    look: Look
    statements: list[Statement] | None


@dataclass(slots=True)
class _Server:
    database: Database
    connection: Connection | None = None
    asked: Future[Answer] | None = None
    before: Answer | None = None
    slowly_at: float = 0.0
    failures: int = 0
    not_before: float = 0.0
    left: bool = False


class DatabaseWatch:
    def __init__(self, databases: Databases, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._databases, self._clock = databases, clock
        self._servers: dict[str, _Server] = {}
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="databases")

    def look(self, batch: Batch) -> list[Statements]:
        """Count into `batch` what the servers have answered since the round before, and ask them again.

        What they spend most on, of those that said it; to be kept (`keep`). Waits for no server.
        """
        told = [row for server in self._servers.values() if (row := self._take(server, batch))]
        wanted = self._databases()
        for workload in self._servers.keys() - wanted.keys():
            _leave(self._servers.pop(workload))
        for workload, database in wanted.items():
            server = self._servers.setdefault(workload, _Server(database))
            if server.asked is None and self._clock() >= server.not_before and database.kind in CONNECT:
                server.database = database
                server.asked = self._threads.submit(self._ask, server)
        return told

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for server in self._servers.values():
            _leave(server)
        self._servers = {}

    def _ask(self, server: _Server) -> Answer:
        """In a thread of its own. Raises whatever the driver raises, with the connection given up."""
        try:
            if server.connection is None:
                database = server.database
                server.connection = CONNECT[database.kind](
                    database.host, database.port, database.password(), database.user
                )
            statements = self._slowly(server, server.connection) if self._clock() >= server.slowly_at else None
            return Answer(time.time(), self._clock(), server.connection.look(), statements)
        except BaseException:
            _part(server)
            raise
        finally:
            if server.left:
                _part(server)

    def _slowly(self, server: _Server, connection: Connection) -> list[Statement] | None:
        """A server with too much to measure in time still says the rest."""
        server.slowly_at = self._clock() + SLOWLY
        try:
            connection.size()
            return connection.statements()
        except Exception as error:  # noqa: BLE001 - whatever a driver raises: the look that follows shows what is left
            logger.info("database_slowly", name=server.database.name, error=type(error).__name__)
            return None

    def _take(self, server: _Server, batch: Batch) -> Statements | None:
        if server.asked is None or not server.asked.done():
            return None
        done, server.asked = server.asked, None
        database = server.database
        if error := done.exception():
            if not server.failures:  # its name alone: what drivers say may name more than that
                logger.info("database_not_measured", pod=database.pod, name=database.name, error=type(error).__name__)
            first, most = RESTS
            server.not_before = self._clock() + min(most, first * 2 ** min(server.failures, 8))
            server.failures += 1
            server.before = None
            return None
        server.failures = 0
        answer = done.result()
        sums = batch.at(database.pod, database.name, answer.at)
        sums.note({SAMPLES: 1, **answer.look.gauges, **differences(server.before, answer)})
        server.before = answer
        if answer.statements is None:
            return None
        rows = [[one.text, one.calls, one.total_ms, one.longest_ms] for one in answer.statements]
        return Statements(pod=database.pod, database=database.name, rows=rows, said_at=timezone.now())


def differences(before: Answer | None, now: Answer) -> dict[str, int]:
    """What was counted between two looks; nothing is said of a long pause. A server that counts less began anew."""
    if before is None or now.clock - before.clock > LONGEST:
        return {}
    found = {}
    for name in COUNTERS:
        if name in now.look.counters:
            count, old = now.look.counters[name], before.look.counters.get(name, 0)
            found[name] = count - old if count >= old else count
    return found


def keep(rows: list[Statements]) -> None:
    if rows:
        Statements.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["pod", "database"], update_fields=["rows", "said_at"]
        )


def _leave(server: _Server) -> None:
    """What is being asked just now is given up by its own thread."""
    server.left = True
    if server.asked is None or server.asked.done() or server.asked.cancelled():
        _part(server)


def _part(server: _Server) -> None:
    made, server.connection = server.connection, None
    if made is not None:
        try:
            made.close()
        except Exception as error:  # noqa: BLE001 - whatever a driver makes of a connection that has gone
            logger.debug("database_left", error=type(error).__name__)
