"""One statement of a person's on MySQL or MariaDB, read row by row: whatever it answers, little of it is in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pymysql

from apps.core.errors import Invalid, PlatformError, UserError
from apps.sql import refusals
from apps.sql.base import Caps, Cell, Where
from apps.sql.cells import Cutter, rows_note, size_note
from apps.sql.mysql.connection import Connection, Overflow, connect, translated


class Statement:
    """`drain`: what is beyond the caps is read and forgotten, because ending the statement would undo it."""

    def __init__(self, where: Where, connection: Connection, caps: Caps, *, drain: bool) -> None:
        self.columns: tuple[str, ...] = ()
        self.affected: int | None = None
        self.notes: list[str] = []
        self._where, self._connection, self._caps, self._drain = where, connection, caps, drain
        self._cutter = Cutter(caps)
        self._cursor = pymysql.cursors.SSCursor(connection)
        self._size = 0

    def begin(self, text: str) -> None:
        """Raises what the server refuses."""
        if "\0" in text:
            raise Invalid("A statement has no NUL in it.")
        self._connection.deadline = time.monotonic() + self._caps.seconds
        with self._ending():
            self._cursor.execute(text)
        if self._cursor.description:
            self.columns = tuple(str(column[0]) for column in self._cursor.description)
        else:
            self.affected = self._cursor.rowcount

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """Once. `notes` is complete when they have been read."""
        shown = 0
        while self.columns:
            with self._ending():
                row = self._cursor.fetchone()
            if row is None:
                break
            if note := self._beyond(shown):
                if note not in self.notes:
                    self.notes.append(note)
                if not self._drain:
                    self.end()
                    break
                continue
            shown += 1
            yield tuple(self._cell(value) for value in row)
        self.notes += self._cutter.note()

    def end(self) -> None:
        """On the server too: it does not see that nobody listens while it has nothing to send."""
        kill(self._where, str(self._connection.thread_id()), "CONNECTION")
        self._connection._force_close()  # type: ignore[attr-defined]

    def _beyond(self, shown: int) -> str:
        self._size += self._connection.received
        self._connection.received = 0
        if shown >= self._caps.rows:
            return rows_note(self._caps)
        return size_note(self._caps) if self._size > self._caps.size else ""

    def _cell(self, value: object) -> Cell:
        if isinstance(value, bytes):
            return self._cutter.cell("0x" + value[: self._caps.cell].hex() if value else "")
        return self._cutter.cell(value if isinstance(value, (int, float, str)) or value is None else str(value))

    def _ending(self) -> _Ending:
        self._connection.received = 0
        self._connection.most = self._caps.size * 4
        if time.monotonic() > self._connection.deadline:
            self.end()
            raise refusals.timed_out(self._caps.seconds)
        return _Ending(self)


class _Ending:
    """What went wrong while the server was listened to, in our words; the statement ends with it."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        it = self._statement
        if error is None:
            return
        if isinstance(error, Overflow):
            it.end()
            raise refusals.too_big(it._caps.size * 4) from None
        if isinstance(error, UnicodeError):
            raise Invalid("There are letters in it, or in its answer, that cannot be sent.") from None
        if isinstance(error, RuntimeError):  # PyMySQL's word when the server wants a file of this host
            it.end()
            raise refusals.refused("Files of this host are not read: no LOAD DATA LOCAL.") from None
        if isinstance(error, pymysql.MySQLError):
            if time.monotonic() > it._connection.deadline - 0.01:
                it.end()
                raise refusals.timed_out(it._caps.seconds) from None
            raise translated(it._where, error, seconds=it._caps.seconds) from None


def kill(where: Where, token: str, what: str = "QUERY") -> bool:
    """Of one's own; False where there is none."""
    if not token.isdecimal():
        return False
    try:
        connection = connect(where)
    except (UserError, PlatformError):
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"KILL {'QUERY' if what == 'QUERY' else 'CONNECTION'} {int(token)}")
        return True
    except pymysql.MySQLError:
        return False
    finally:
        connection.close()
