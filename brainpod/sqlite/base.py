"""Who waits to write is not overtaken.

SQLite itself has no queue: one that finds the database locked sleeps, for longer each time, and whoever comes just when
the lock is free has it. With four at once one in a hundred waits for most of a second so, and some for three.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import structlog
from django.db import OperationalError
from django.db.backends.sqlite3 import base

LOOK_MS = 1  # between two looks of who is first in the queue
# What this connection reads was written over since. Somebody may have come between, just then; where it still has a
# reading to finish, no waiting helps, and all that write would wait behind it.
STALE = "SQLITE_BUSY_SNAPSHOT"
STALE_SECONDS = 0.5
LONG = 5.0  # seconds; who waited or wrote for longer is in the log, since one of them is why others wait

log = structlog.get_logger(__name__)


class DatabaseWrapper(base.DatabaseWrapper):
    """A transaction begins when those before it have begun, and the first in the queue as soon as it can.

    The place in the queue is given up at BEGIN, not at the end of the transaction: who has the database waits for
    nobody, and who is first for as long as the option `timeout` says, with SQLite's own error after it.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._begun = 0.0  # when the transaction began; 0 outside of one

    def _start_transaction_under_autocommit(self) -> None:
        asked = time.monotonic()
        with self._first_in_queue():
            first = time.monotonic()
            until, stale = first + self._patience, first
            try:
                self._sleep_at_most(LOOK_MS)
                while True:
                    try:
                        super()._start_transaction_under_autocommit()  # type: ignore[misc]  # the stubs lack it
                        break
                    except OperationalError as error:
                        now, why = time.monotonic(), getattr(error.__cause__, "sqlite_errorname", "")
                        stale = stale if why == STALE else now
                        if not _is_busy(error) or now > until or now - stale > STALE_SECONDS:
                            log.warning("database_locked", why=why, queued=first - asked, first=now - first)
                            raise
            finally:
                self._sleep_at_most(round(self._patience * 1000))
        self._begun = time.monotonic()
        if self._begun - asked > LONG:
            log.warning("database_waited", queued=first - asked, first=self._begun - first)

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._ended()

    def _rollback(self) -> None:
        super()._rollback()  # type: ignore[misc]
        self._ended()

    def _ended(self) -> None:
        if self._begun and (took := time.monotonic() - self._begun) > LONG:
            log.warning("database_held", seconds=took)
        self._begun = 0.0

    @property
    def _patience(self) -> float:
        return float(self.settings_dict["OPTIONS"].get("timeout", 5))

    def _sleep_at_most(self, milliseconds: int) -> None:
        self.connection.execute(f"PRAGMA busy_timeout={milliseconds}")

    @contextlib.contextmanager
    def _first_in_queue(self) -> Iterator[None]:
        """Across threads and processes: each opens the file anew, since a lock belongs to what opened it."""
        if self.is_in_memory_db():
            yield
            return
        try:
            queue = os.open(f"{self.settings_dict['NAME']}-queue", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:  # a full disk, say: then by luck, as SQLite does
            yield
            return
        try:
            fcntl.flock(queue, fcntl.LOCK_EX)
            yield
        finally:
            fcntl.flock(queue, fcntl.LOCK_UN)  # closing does not, where another thread forked meanwhile
            os.close(queue)


def _is_busy(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
