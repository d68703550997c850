"""Who waits to write is not overtaken, and waits outside of SQLite (docs/adr/0020-writing-to-sqlite.md).

SQLite itself has no queue: one that finds the database locked sleeps, for longer each time, and whoever comes just when
the lock is free has it. With four at once one in a hundred waits for most of a second so, and some for three.

Nor may a thread sleep in there: it has its connection's mutex meanwhile, which another thread needs that happens to
collect a cursor of that connection as garbage. If that thread is the one that writes, both wait for each other, and
everybody for them, until the first one's time is over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import structlog
from django.db import OperationalError
from django.db.backends.sqlite3 import base

LOOK_MS = 1  # how long SQLite waits itself: between two looks of who is first in the queue
# What this connection reads was written over since. Somebody may have come between, just then; where it still has a
# reading to finish, no waiting helps, and all that write would wait behind it.
STALE = "SQLITE_BUSY_SNAPSHOT"
STALE_SECONDS = 0.5
LONG = 5.0  # seconds; who waited or wrote for longer is in the log, since one of them is why others wait

T = TypeVar("T")

log = structlog.get_logger(__name__)


class DatabaseWrapper(base.DatabaseWrapper):
    """A transaction begins when those before it have begun, and the first in the queue as soon as it can. A single
    statement outside of one is tried at once, and has its turn in the queue if the database is locked.

    The place in the queue is given up when that was done, not at the end of the transaction: who has the database waits
    for nobody, and who is first for as long as the option `timeout` says, with SQLite's own error after it.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._begun = 0.0  # when the transaction began; 0 outside of one
        self._has_turn = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> sqlite3.Connection:
        made: sqlite3.Connection = super().get_new_connection(conn_params)
        made.execute(f"PRAGMA busy_timeout={LOOK_MS}")
        return made

    def create_cursor(self, name: Any = None) -> Cursor:
        return self.connection.cursor(factory=lambda connection: Cursor(connection, self))  # type: ignore[no-any-return]

    def _start_transaction_under_autocommit(self) -> None:
        self.in_turn(super()._start_transaction_under_autocommit)  # type: ignore[misc]  # the stubs lack it
        self._begun = time.monotonic()

    def patiently(self, do: Callable[[], T]) -> T:
        """What `do` gives, once the database takes it. It is one statement."""
        if self._has_turn or self.connection.in_transaction:
            return do()
        try:
            return do()
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
        return self.in_turn(do)

    def in_turn(self, do: Callable[[], T]) -> T:
        """The same by the queue, for what is to wait for those before it."""
        asked = time.monotonic()
        with self._first_in_queue():
            first = stale = time.monotonic()
            self._has_turn = True
            try:
                while True:
                    try:
                        done = do()
                        break
                    except (sqlite3.OperationalError, OperationalError) as error:
                        now, why = time.monotonic(), _name_of(error)
                        stale = stale if why == STALE else now
                        if not _is_busy(error) or now - first > self._patience or now - stale > STALE_SECONDS:
                            log.warning("database_locked", why=why, queued=first - asked, first=now - first)
                            raise
            finally:
                self._has_turn = False
        if time.monotonic() - asked > LONG:
            log.warning("database_waited", queued=first - asked, first=time.monotonic() - first)
        return done

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


class Cursor(base.SQLiteCursorWrapper):
    def __init__(self, connection: sqlite3.Connection, of: DatabaseWrapper) -> None:
        super().__init__(connection)
        self._of = of

    def execute(self, query: str, params: Any = None) -> Any:
        return self._of.patiently(lambda: super(Cursor, self).execute(query, params))

    def executemany(self, query: str, param_list: Any) -> Any:
        rows = list(param_list)
        return self._of.patiently(lambda: super(Cursor, self).executemany(query, rows))


def _cause(error: Exception) -> Any:
    """SQLite's own error, of one that may be Django's."""
    return error if isinstance(error, sqlite3.Error) else error.__cause__


def _is_busy(error: Exception) -> bool:
    return getattr(_cause(error), "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _name_of(error: Exception) -> str:
    return getattr(_cause(error), "sqlite_errorname", "")
