"""Runtime logs: what the engine's workloads write becomes the streams `workload:<id>`.

The engine numbers the lines of each workload. The number of the last line taken is published and stored together
with the lines themselves, so whoever collects next asks for what comes after it: nothing is lost that the engine
still has, nothing doubled.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import structlog
from django.db import connection

from apps.core.components import component
from apps.core.errors import PlatformError
from apps.core.masking import Mask
from apps.engines import engine
from apps.engines.base import Engine, Handle, LogLine
from apps.logs.levels import level
from apps.logs.writer import LogWriter

IDLE_SECONDS = 60.0  # a workload silent for this long has its writer closed
STORED_WITHIN = 30.0  # seconds: apps that say a line now and then have several of them stored at once
RETRY_SECONDS = 2.0  # after the engine went away
SETTLE_SECONDS = 1.0  # after subscribing, before the second look at what was missed
WAITING = 10_000  # lines taken from the engine and not yet written

Arrival = tuple[str, LogLine] | None  # None: the engine went away

logger = structlog.get_logger(__name__)


def collect(
    stop: threading.Event,
    *,
    source: Engine | None = None,
    mask_for: Callable[[str], Mask] | None = None,
    handle_of: Callable[[str], Handle | None] | None = None,
) -> None:
    """Collect from `source` until `stop` is set. The wiring answers for what is not given: `engine()`, component
    "runtime_masks" (workload id → Mask) and component "runtime_handles" (workload id → handle, None if unknown).
    """
    collector = Collector(
        source or engine(), mask_for or component("runtime_masks"), handle_of or component("runtime_handles")
    )
    try:
        while not stop.is_set():
            try:
                collector.follow(stop)
            except PlatformError as error:
                logger.warning("log_collector_waits", error=str(error))
            stop.wait(RETRY_SECONDS)
    finally:
        collector.close()
        connection.close()  # this thread's


class Collector:
    def __init__(
        self, source: Engine, mask_for: Callable[[str], Mask], handle_of: Callable[[str], Handle | None]
    ) -> None:
        self._engine = source
        self._mask_for = mask_for
        self._handle_of = handle_of
        self._writers: dict[str, LogWriter] = {}
        self._taken: dict[str, int] = {}  # the engine's number of the last line written, by workload
        self._used: dict[str, float] = {}

    def follow(self, stop: threading.Event) -> None:
        """Take lines until `stop` is set or the engine goes away."""
        arrivals: queue.Queue[Arrival] = queue.Queue(WAITING)
        left = threading.Event()
        threading.Thread(target=self._pump, args=(arrivals, left), daemon=True, name="log-pump").start()
        try:
            self.catch_up()
            again = time.monotonic() + SETTLE_SECONDS  # what came between the look and the subscription taking hold
            while not stop.is_set():
                try:
                    arrival = arrivals.get(timeout=0.5)
                except queue.Empty:
                    self._close_idle()
                else:
                    if arrival is None:
                        return
                    self._take(*arrival)
                if again and time.monotonic() > again:
                    again = 0.0
                    self.catch_up()
        finally:
            left.set()

    def _pump(self, arrivals: queue.Queue[Arrival], left: threading.Event) -> None:
        """Pass on what the engine streams; waits when nobody takes, ends when nobody will any more."""

        def put(arrival: Arrival) -> bool:
            while not left.is_set():
                try:
                    arrivals.put(arrival, timeout=0.5)
                except queue.Full:
                    continue
                return True
            return False

        try:
            for workload, line in self._engine.stream_logs():
                if not put((workload, line)):
                    return
        except PlatformError as error:
            logger.warning("log_collector_lost_engine", error=str(error))
        except Exception:
            logger.exception("log_collector_failed")
        put(None)

    def catch_up(self) -> None:
        """Write what the engine kept of every workload it remembers and nobody took."""
        for workload in self._engine.workloads():
            self._fetch(workload, until=None)

    def _take(self, workload: str, line: LogLine) -> None:
        writer = self._writer(workload)
        if line.follows > self._taken[workload]:
            self._fetch(workload, until=line.seq)
        self._write(workload, writer, line)

    def _fetch(self, workload: str, *, until: int | None) -> None:
        handle = self._handle_of(workload)
        if handle is None:
            return
        writer = self._writer(workload)
        for line in self._engine.logs(handle, self._taken[workload]):
            if until is not None and line.seq >= until:
                return
            self._write(workload, writer, line)

    def _write(self, workload: str, writer: LogWriter, line: LogLine) -> None:
        if line.seq <= self._taken[workload]:
            return
        writer.line(line.text, level(line.text, line.stream), source=line.seq)
        self._taken[workload] = line.seq
        self._used[workload] = time.monotonic()

    def _writer(self, workload: str) -> LogWriter:
        writer = self._writers.get(workload)
        if writer is None or writer.fenced:
            mask = self._mask_for(workload)
            writer = LogWriter.open(f"workload:{workload}", mask=mask, stored_within=STORED_WITHIN)
            self._writers[workload] = writer
            self._taken[workload] = writer.source
            self._used[workload] = time.monotonic()
        return writer

    def _close_idle(self) -> None:
        oldest = time.monotonic() - IDLE_SECONDS
        for workload in [workload for workload, used in self._used.items() if used < oldest]:
            self._close(workload)

    def _close(self, workload: str) -> None:
        del self._used[workload], self._taken[workload]
        self._writers.pop(workload).close()

    def close(self) -> None:
        for workload in list(self._writers):
            self._close(workload)
