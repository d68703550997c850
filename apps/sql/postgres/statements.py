"""One statement of a person's on PostgreSQL, read row by row: whatever it answers, little of it is in memory.

The extended protocol is used because with it the server itself takes one statement and no more.
"""

from __future__ import annotations

import array
import fcntl
import select
import termios
import time
from collections.abc import Iterator

import psycopg
from psycopg import pq

from apps.core.errors import Invalid
from apps.sql import refusals
from apps.sql.base import Caps, Cell, Where
from apps.sql.cells import Cutter, rows_note, size_note
from apps.sql.postgres.connection import Connection, translated

_GRACE = 5  # seconds for a cancelled statement to end
_INTEGERS, _FLOATS, _TRUTH = frozenset((20, 21, 23, 26)), frozenset((700, 701)), 16
_CHANGES = ("INSERT", "UPDATE", "DELETE", "MERGE")
_COPIES = (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH)
_MANY = "cannot insert multiple commands"


class Statement:
    """`drain`: what is beyond the caps is read and forgotten, because ending the statement would undo it."""

    def __init__(self, where: Where, connection: Connection, caps: Caps, *, drain: bool) -> None:
        self.columns: tuple[str, ...] = ()
        self.affected: int | None = None
        self.notes: list[str] = []
        self._where, self._connection, self._caps, self._drain = where, connection, caps, drain
        self._pg = connection.pgconn
        self._cutter = Cutter(caps)
        self._types: list[int] = []
        self._deadline = 0.0
        self._timed_out = False
        self._message = 0  # bytes since the last result
        self._size = 0

    def begin(self, text: str) -> None:
        """Raises what the server refuses."""
        if "\0" in text:
            raise Invalid("A statement has no NUL in it.")
        self._deadline = time.monotonic() + self._caps.seconds
        try:
            self._pg.send_query_params(text.encode(), None)
            self._pg.set_single_row_mode()
            self._first = self._next()
        except psycopg.Error as error:
            raise translated(self._where, error) from None
        except UnicodeError:
            raise Invalid("The statement has letters that cannot be sent.") from None
        if self._first is not None and self._first.nfields:
            names = [self._first.fname(at) or b"" for at in range(self._first.nfields)]
            self.columns = tuple(name.decode(errors="replace") for name in names)
            self._types = [self._first.ftype(at) for at in range(self._first.nfields)]

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """Once. `affected` and `notes` are complete when they have been read."""
        result, shown = self._first, 0
        try:
            while result is not None:
                if result.status == pq.ExecStatus.SINGLE_TUPLE:
                    if note := self._beyond(shown):
                        if note not in self.notes:
                            self.notes.append(note)
                        if not self._drain:
                            self.end()
                            break
                    else:
                        shown += 1
                        yield tuple(self._cell(result, at) for at in range(len(self.columns)))
                elif result.command_status:
                    word = result.command_status.decode().partition(" ")[0]
                    self.affected = result.command_tuples if word in _CHANGES else None
                result = self._next()
        except psycopg.Error as error:
            raise translated(self._where, error) from None
        self.notes += self._cutter.note()

    def end(self) -> None:
        try:
            self._connection.cancel_safe(timeout=_GRACE)
        except psycopg.Error:
            pass  # it has ended, or the server has gone
        self._connection.close()

    def _beyond(self, shown: int) -> str:
        if shown >= self._caps.rows:
            return rows_note(self._caps)
        return size_note(self._caps) if self._size > self._caps.size else ""

    def _cell(self, result: pq.abc.PGresult, at: int) -> Cell:
        value = result.get_value(0, at)
        if value is None:
            return None
        oid = self._types[at]
        if oid in _INTEGERS:
            return int(value)
        if oid == _TRUTH:
            return value == b"t"
        if oid in _FLOATS and value.strip(b"-")[:1].isdigit():
            return float(value)
        return self._cutter.cell(value[: self._caps.cell * 4 + 4].decode(errors="replace"))

    def _next(self) -> pq.abc.PGresult | None:
        self._message = 0
        while self._pg.flush():
            self._wait(write=True)
        while self._pg.is_busy():
            self._wait()
            self._message += _waiting(self._pg.socket)
            if self._message > self._caps.size * 4:
                self.end()
                raise refusals.too_big(self._caps.size * 4)
            self._pg.consume_input()
        self._size += self._message
        result = self._pg.get_result()
        if result is not None:
            self._check(result)
        return result

    def _wait(self, write: bool = False) -> None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            if self._timed_out:
                self._connection.close()
                raise refusals.timed_out(self._caps.seconds)
            self._timed_out = True
            self._deadline = time.monotonic() + _GRACE
            self._connection.cancel_safe(timeout=_GRACE)
            remaining = _GRACE
        poller = select.poll()
        poller.register(self._pg.socket, select.POLLIN | (select.POLLOUT if write else 0))
        poller.poll(remaining * 1000)
        if write:
            self._pg.consume_input()

    def _check(self, result: pq.abc.PGresult) -> None:
        if result.status in _COPIES:
            self.end()
            raise refusals.refused("COPY from or to here is not possible.", "Use Export, or psql.")
        if result.status != pq.ExecStatus.FATAL_ERROR:
            return
        field = result.error_field
        state = (field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        if state == "57014":
            server = b"statement timeout" in (field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"")
            raise refusals.timed_out(self._caps.seconds) if self._timed_out or server else refusals.cancelled()
        words = (field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message).decode(errors="replace")
        if _MANY in words:
            raise refusals.refused("These are several statements.", "Run them one at a time.")
        parts = (pq.DiagnosticField.MESSAGE_DETAIL, pq.DiagnosticField.MESSAGE_HINT)
        hints = [(field(part) or b"").decode(errors="replace") for part in parts]
        position = (field(pq.DiagnosticField.STATEMENT_POSITION) or b"").decode()
        at = f" At character {position}." if position else ""
        raise refusals.refused(words + at, " ".join(filter(None, hints)))


def _waiting(socket: int) -> int:
    """Bytes that have come and were not read: libpq does not say how many it read."""
    count = array.array("i", [0])
    fcntl.ioctl(socket, termios.FIONREAD, count)
    return count[0]
