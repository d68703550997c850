"""Measures, every 15 seconds, in one process: what instances use, what database servers say of themselves, and what
the edge has answered meanwhile.

The access log is read every second, and once: what is counted here goes to the request log (apps/edge/journal) too,
where people see it live. How far was read is stored together with what was counted (apps/metrics/store.py), so whoever
measures next goes on there: after a restart nothing is lost that the access log still has, and nothing counted twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from apps import engines
from apps.core.components import component
from apps.core.errors import PlatformError
from apps.edge import access_log, edge
from apps.edge.base import Edge
from apps.edge.journal.keeper import Keeper
from apps.engines.base import Engine
from apps.metrics import store, tail
from apps.metrics.databases import Databases
from apps.metrics.databases.watch import DatabaseWatch, keep
from apps.metrics.instances import Instances, Watch, on
from apps.metrics.models import Reading
from apps.metrics.steps import FINE, Batch

SOURCE = "host"
LIVE = 1.0  # seconds between two readings of the access log
LOG_BYTES = 64 * 1024 * 1024  # an access log that has more is put aside
AHEAD = 60.0  # seconds by which a line may be ahead of the clock; the clock was set back if it is more
LINES = "lines"
RESTARTS = "restarts"

logger = structlog.get_logger(__name__)


def measure(
    stop: threading.Event,
    *,
    source: Engine | None = None,
    door: Edge | None = None,
    instances: Instances | None = None,
    databases: Databases | None = None,
    every: float = FINE,
) -> None:
    """Measure until `stop` is set. The wiring answers for what is not given: the engines offered, `edge()` and the
    components "measured_instances" (workload id → Instance, of everything that is to run) and "measured_databases"
    (those of them whose servers are asked). `source`: runs all of it.
    """
    every_one = instances or component("measured_instances")
    if source:
        watches = [Watch(source, every_one)]
    else:
        watches = [Watch(engines.named(name), on(name, every_one)) for name in engines.offered()]
    collector = Collector(watches, door or edge(), DatabaseWatch(databases or component("measured_databases")))
    ends = time.time()
    try:
        while not stop.is_set():
            close_old_connections()
            try:
                if time.time() >= ends or ends - time.time() > every:  # or the clock was set back
                    ends = (time.time() // every + 1) * every  # soon after a bucket has ended
                    collector.round()
                else:
                    collector.read()
            except (DatabaseError, OSError) as error:
                logger.warning("metrics_wait", error=str(error))
                collector.begin_again()
            except Exception:
                logger.exception("metrics_failed")
                collector.begin_again()
            stop.wait(min(LIVE, max(0.0, ends - time.time())))
    finally:
        collector.close()
        connection.close()


class Collector:
    def __init__(
        self,
        watches: Sequence[Watch],
        door: Edge,
        databases: DatabaseWatch | None = None,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._door = door
        self._watches, self._databases = watches, databases
        self._wall, self._clock = wall, clock
        self._row: Reading | None = None
        self._batch = Batch()
        self._lines: tail.Offsets = {}  # how far was read by what is in the batch
        self._journal = Keeper(door.journal())
        self._away: set[Watch] = set()

    def begin_again(self) -> None:
        """Ask the database how far was read: what this process remembers may not be what was written."""
        self._row = None
        self._batch = Batch()

    def close(self) -> None:
        self._journal.release()
        if self._databases:
            self._databases.close()

    def read(self) -> None:
        """Everything new in the access log, remembered until the next round writes it."""
        self._begin()
        while self._read(self._wall()):
            pass

    def _begin(self) -> Reading:
        if self._row is None:
            self._row = store.reading(SOURCE)
            self._lines = self._row.state.get(LINES, {})
        return self._row

    def round(self) -> None:
        """One look at everything, written at once; more writes if the access log has much that is new."""
        row = self._begin()
        now = self._wall()
        middle = now - FINE / 2  # of what lies between the look before and this one
        restarts = self._look(self._batch, middle, row.state.get(RESTARTS, {}))
        self._batch.at("", "", middle).looks += 1
        statements = self._databases.look(self._batch) if self._databases else []
        more = True
        while more:
            more = self._read(now)
            try:
                store.write(row, {LINES: self._lines, RESTARTS: restarts}, self._batch.buckets())
            except store.Overtaken:
                logger.warning("metrics_overtaken")
                self.begin_again()
                return
            self._batch = Batch()
        keep(statements)
        self._door.rotate_access_log(LOG_BYTES)

    def _look(self, batch: Batch, moment: float, restarts: dict[str, int]) -> dict[str, int]:
        """The restarts counted by now; of an engine that does not answer those of before."""
        found: dict[str, int] = {}
        for watch in self._watches:
            try:
                found |= watch.look(batch, wall=moment, clock=self._clock(), restarts=restarts)
            except PlatformError as error:
                if watch not in self._away:
                    logger.warning("metrics_without_engine", error=str(error))
                self._away.add(watch)
                found = {**restarts, **found}
            else:
                self._away.discard(watch)
        return found

    def _read(self, now: float) -> bool:
        """Count what is new, a stretch of it at most; whether there may be more."""
        pieces, self._lines, more = tail.read(self._door.access_logs(), self._lines)
        try:
            self._journal.keep(pieces)
        except OSError as error:
            logger.warning("request_log_waits", error=str(error))
        for piece in pieces:
            for line in piece.data.split(b"\n"):
                if line and (served := access_log.parse(line)):
                    moment = served.at if served.at < now + AHEAD else now
                    self._batch.count(served, moment)
        return more
