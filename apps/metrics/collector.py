"""Measures, every 15 seconds, in one process: what instances use, and what the edge has answered meanwhile.

How far was read is stored together with what was counted (apps/metrics/store.py), so whoever measures next goes on
there: after a restart nothing is lost that the access log still has, and nothing counted twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from apps.core.components import component
from apps.core.errors import PlatformError
from apps.edge import access_log, edge
from apps.edge.base import Edge
from apps.engines import engine
from apps.engines.base import Engine
from apps.metrics import store, tail
from apps.metrics.instances import Instances, Watch
from apps.metrics.models import Reading
from apps.metrics.steps import FINE, Batch

SOURCE = "host"
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
    every: float = FINE,
) -> None:
    """Measure until `stop` is set. The wiring answers for what is not given: `engine()`, `edge()` and the component
    "measured_instances" (workload id → Instance, of everything that is to run).
    """
    collector = Collector(source or engine(), door or edge(), instances or component("measured_instances"))
    try:
        while not stop.is_set():
            close_old_connections()
            try:
                collector.round()
            except (DatabaseError, OSError) as error:
                logger.warning("metrics_wait", error=str(error))
                collector.begin_again()
            except Exception:
                logger.exception("metrics_failed")
                collector.begin_again()
            stop.wait(every - time.time() % every)  # soon after a bucket has ended
    finally:
        connection.close()


class Collector:
    def __init__(
        self,
        source: Engine,
        door: Edge,
        instances: Instances,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._door = door
        self._watch = Watch(source, instances)
        self._wall, self._clock = wall, clock
        self._row: Reading | None = None
        self._away = False

    def begin_again(self) -> None:
        """Ask the database how far was read: what this process remembers may not be what was written."""
        self._row = None

    def round(self) -> None:
        """One look at everything, written at once; more writes if the access log has much that is new."""
        row = self._row = self._row or store.reading(SOURCE)
        batch = Batch()
        now = self._wall()
        middle = now - FINE / 2  # of what lies between the look before and this one
        restarts = self._look(batch, middle, row.state.get(RESTARTS, {}))
        batch.at("", "", middle).looks += 1
        more = True
        while more:
            lines, more = self._read(batch, row.state.get(LINES, {}), now)
            try:
                store.write(row, {LINES: lines, RESTARTS: restarts}, batch.buckets())
            except store.Overtaken:
                logger.warning("metrics_overtaken")
                self.begin_again()
                return
            batch = Batch()
        self._door.rotate_access_log(LOG_BYTES)

    def _look(self, batch: Batch, moment: float, restarts: dict[str, int]) -> dict[str, int]:
        try:
            counted = self._watch.look(batch, wall=moment, clock=self._clock(), restarts=restarts)
        except PlatformError as error:
            if not self._away:
                logger.warning("metrics_without_engine", error=str(error))
            self._away = True
            return restarts
        self._away = False
        return counted

    def _read(self, batch: Batch, offsets: Any, now: float) -> tuple[tail.Offsets, bool]:
        def count(line: bytes) -> None:
            served = access_log.parse(line)
            if served:
                moment = served.at if served.at < now + AHEAD else now
                batch.at(served.pod, served.app, moment).count(served)

        return tail.read(self._door.access_logs(), offsets, count)
