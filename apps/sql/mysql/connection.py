"""Connections to a MySQL or MariaDB server, and its refusals."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pymysql
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import encoders

from apps.core.errors import Detail, Invalid, NotFound, PlatformError, UserError
from apps.sql import refusals
from apps.sql.base import Where

CONNECT = 5  # seconds
USUAL = 20  # seconds a statement of the platform's own may take
_DENIED = (1044, 1045, 1049, 1130, 1251, 1698, 4151)
_MISSING = (1008, 1049, 1146, 1141, 1396)
_TIMED_OUT, _KILLED = (1969, 3024), 1317
_INTEGERS = (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.INT24, FIELD_TYPE.YEAR)
# Everything else stays as the server writes it: dates such as 0000-00-00 have no type here, and decimals are exact.
_CONVERTED: dict[Any, Any] = {
    **encoders, **dict.fromkeys(_INTEGERS, int), FIELD_TYPE.FLOAT: float, FIELD_TYPE.DOUBLE: float,
}  # fmt: skip


class Connection(pymysql.connections.Connection):  # type: ignore[type-arg]
    """One that counts what comes in and ends at a moment: `deadline`, on the monotonic clock, 0 for none."""

    deadline = 0.0
    received = 0  # bytes
    most = 0  # bytes, 0 for any number

    def _read_bytes(self, num_bytes: int) -> bytes:
        if self.deadline:
            self._read_timeout = max(0.05, self.deadline - time.monotonic())
        self.received += num_bytes
        if self.most and self.received > self.most:
            raise Overflow
        found: bytes = super()._read_bytes(num_bytes)  # type: ignore[misc]
        return found


class Overflow(Exception):
    """More came in than was allowed for."""


def connect(where: Where, cursor: Any = pymysql.cursors.Cursor) -> Connection:
    """In autocommit. It takes one statement at a time, and never gives a file of this host away."""
    if not where.host or where.host.startswith("/"):
        raise Invalid([Detail("host", "A host name or an address is needed.")])
    try:
        return Connection(
            host=where.host, port=where.port, user=where.username, password=where.password,
            database=where.database or None, connect_timeout=CONNECT, read_timeout=USUAL + CONNECT,
            write_timeout=USUAL, charset="utf8mb4", autocommit=True, local_infile=False, conv=_CONVERTED,
            cursorclass=cursor, ssl=_tls() if where.tls else None, ssl_disabled=not where.tls,
            client_flag=CLIENT.FOUND_ROWS,
        )  # fmt: skip
    except pymysql.MySQLError as error:
        let_in = error.args and error.args[0] in _DENIED
        raise (refusals.credentials(where) if let_in else refusals.unreachable(where)) from None
    except (UnicodeError, RuntimeError, ValueError, OSError):
        raise refusals.unreachable(where) from None


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # servers sign their own; what is asked for is that nobody reads along
    return context


@contextmanager
def refusing(where: Where, what: str = "") -> Iterator[None]:
    """Turns what PyMySQL raises into ours. `what` is missing when the server says something is not there."""
    try:
        yield
    except (UserError, PlatformError):
        raise
    except pymysql.MySQLError as error:
        raise translated(where, error, what) from None
    except UnicodeError:
        raise Invalid("Text with letters that cannot be stored, such as half a surrogate pair.") from None


def translated(where: Where, error: pymysql.MySQLError, what: str = "", seconds: float = USUAL) -> Exception:
    code, words = (*error.args, "", "")[:2]
    if what and code in _MISSING:
        return NotFound(what)
    if code in _TIMED_OUT:
        return refusals.timed_out(seconds)
    if code == _KILLED:
        return refusals.cancelled()
    if code in (0, "") or (isinstance(code, int) and 2000 <= code < 3000):
        return refusals.unreachable(where)
    return refusals.refused(str(words), "Run them one at a time." if code == 1064 and ";" in str(words) else "")


def quoted(name: str, longest: int = 64) -> str:
    """An identifier for a statement that is sent with parameters: PyMySQL reads its percent signs."""
    if not name or "\0" in name or len(name) > longest:
        raise Invalid("There is no such name.")
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def ask(connection: Connection, statement: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
