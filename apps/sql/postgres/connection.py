"""Connections to a PostgreSQL server, and its refusals."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from apps.core.errors import Detail, Invalid, NotFound, PlatformError, UserError
from apps.sql import refusals
from apps.sql.base import Where

CONNECT = 5  # seconds
USUAL = 20  # seconds a statement of the platform's own may take
ENTRY = "postgres"  # the database there always is
_LET_IN = ("authentication", "no pg_hba.conf entry", "is not permitted to log in", "does not exist", "no password",
           "permission denied for database")  # fmt: skip

Connection = psycopg.Connection[tuple[Any, ...]]


def connect(where: Where, name: str = "brainpod", seconds: float = USUAL) -> Connection:
    """In autocommit. `name`: of the application, by which it can be found again."""
    if where.host.startswith(("/", "@")) or "," in where.host or not where.host:
        raise Invalid([Detail("host", "A host name or an address is needed.")])
    try:
        made = psycopg.connect(
            host=where.host, port=where.port, user=where.username, password=where.password or None,
            dbname=where.database or ENTRY, connect_timeout=CONNECT, autocommit=True, application_name=name,
            client_encoding="utf8", sslmode="require" if where.tls else "prefer", passfile=os.devnull,
            keepalives_idle=30,
        )  # fmt: skip
        made.prepare_threshold = None
    except (psycopg.Error, UnicodeError) as error:
        let_in = any(words in str(error) for words in _LET_IN)
        raise (refusals.credentials(where) if let_in else refusals.unreachable(where)) from None
    try:
        with refusing(where):
            made.execute("SELECT set_config('statement_timeout', %s, false)", [str(int(seconds * 1000))])
    except BaseException:
        made.close()
        raise
    return made


@contextmanager
def refusing(where: Where, what: str = "") -> Iterator[None]:
    """Turns what psycopg raises into ours. `what` is missing when the server says something is not there."""
    try:
        yield
    except (UserError, PlatformError):
        raise
    except psycopg.Error as error:
        raise translated(where, error, what) from None
    except UnicodeError:
        raise Invalid("Text with letters that cannot be stored, such as half a surrogate pair.") from None


def translated(where: Where, error: psycopg.Error, what: str = "") -> Exception:
    state = error.sqlstate or ""
    if state == "57014":
        return refusals.timed_out(USUAL)
    if what and state in ("42P01", "3D000", "3F000", "42704"):
        return NotFound(what)
    if not state and not error.diag.message_primary and isinstance(error, psycopg.OperationalError):
        return refusals.unreachable(where)
    diagnosis = error.diag
    words = diagnosis.message_primary or str(error).partition("\n")[0]
    details = " ".join(text for text in (diagnosis.message_detail, diagnosis.message_hint) if text)
    return refusals.refused(words, details)


def named(*names: str) -> sql.Identifier:
    """For a statement that is sent with parameters: psycopg reads its percent signs, those of names too."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


def of_relation(schema: str, table: str) -> sql.Identifier:
    """Likewise."""
    return named(schema or "public", table)
