"""Two threads of a process serve all its log writers: one publishes, one stores (a slow disk delays no live line).

They start with the first writer and end after the last, so that no connection stays open behind them. A writer
belongs to the process that opened it: a child made by fork starts with none.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import structlog
from django.db import close_old_connections, connection

if TYPE_CHECKING:
    from apps.logs.writer import LogWriter

IDLE = 0.5  # seconds at most between two looks

logger = structlog.get_logger(__name__)


class Flusher:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writers: list[LogWriter] = []
        self._threads: list[threading.Thread] = []
        self._wake = threading.Event()

    def add(self, writer: LogWriter) -> None:
        with self._lock:
            self._writers = [*self._writers, writer]
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            running = {thread.name for thread in self._threads}
            for name, work in (("log-publisher", self._publish), ("log-storer", self._store)):
                if name not in running:
                    thread = threading.Thread(target=work, name=name, daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def remove(self, writer: LogWriter) -> bool:
        """Whether `writer` was there."""
        with self._lock:
            if writer not in self._writers:
                return False
            self._writers = [other for other in self._writers if other is not writer]
        self._wake.set()
        return True

    def wake(self) -> None:
        self._wake.set()

    def _go_on(self) -> bool:
        """False, and the calling thread is taken off the list, when there is no writer left."""
        with self._lock:
            if not self._writers:
                self._threads.remove(threading.current_thread())
            return bool(self._writers)

    def _publish(self) -> None:
        while self._go_on():
            self._wake.clear()
            now = time.monotonic()
            wait = IDLE
            for writer in self._writers:
                if (due := writer.due(now)) > 0:
                    wait = min(wait, due)
                    continue
                try:
                    writer.publish()
                except Exception:
                    logger.exception("log_not_published", stream=writer.stream)
                wait = 0.0
            if wait:
                self._wake.wait(wait)

    def _store(self) -> None:
        try:
            while self._go_on():
                busy = False
                for writer in self._writers:
                    if not writer.store_due(time.monotonic()):
                        continue
                    close_old_connections()
                    try:
                        busy = writer.store() or busy
                    except Exception:
                        logger.exception("log_not_stored", stream=writer.stream)
                if not busy:
                    time.sleep(0.25)
        finally:
            connection.close()


_flusher = Flusher()


def _renew() -> None:
    global _flusher
    _flusher = Flusher()


os.register_at_fork(after_in_child=_renew)


def add(writer: LogWriter) -> None:
    _flusher.add(writer)


def remove(writer: LogWriter) -> bool:
    return _flusher.remove(writer)


def wake() -> None:
    _flusher.wake()
