"""The platform's database in one file and back: SQLite by its online copy, PostgreSQL by pg_dump."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from apps.backups.kinds.programs import program, started
from apps.backups.sealing import BLOCK
from apps.core.errors import Conflict, UserError
from apps.servers import postgres
from apps.servers.base import Installed

SQLITE, POSTGRES = "database.sqlite3", "database.dump"


def dump(into: Path) -> str:
    """A consistent copy of it in the directory `into`, while it is in use; the file's name."""
    if connection.vendor == "sqlite":
        path = into / SQLITE
        path.touch(0o600)
        with closing(sqlite3.connect(_file())) as source, closing(sqlite3.connect(path)) as copy:
            source.backup(copy)
        return SQLITE
    with open(os.open(into / POSTGRES, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        with _started("pg_dump", "--format=custom", "--compress=0") as running:
            while block := running.output.read(BLOCK):
                file.write(block)
            running.ended()
    return POSTGRES


def check_empty() -> None:
    """Raises Conflict("restore_not_empty")."""
    if connection.vendor == "sqlite":
        found = _file().exists()
    else:
        with connection.cursor() as cursor:
            found = bool(connection.introspection.table_names(cursor))
    if found:
        raise not_empty("the database")


def load(source: Path) -> None:
    """What `dump` wrote as the database, which is empty."""
    wanted = SQLITE if connection.vendor == "sqlite" else POSTGRES
    if source.name != wanted:
        raise UserError(
            "restore_other_database", "The backup is of another kind of database than DATABASE_URL names.",
            "Set DATABASE_URL as it was: empty for SQLite, postgres://… for PostgreSQL.",
        )  # fmt: skip
    connection.close()
    if wanted == SQLITE:
        source.rename(_file())
        return
    with source.open("rb") as file, _started("pg_restore", "--no-owner", "--exit-on-error", feeds=True) as running:
        running.feed(file)


def put_back(source: Path) -> None:
    """What `dump` wrote in place of everything that is there. Nobody else may use the database meanwhile."""
    if connection.vendor == "sqlite":
        connection.close()
        with closing(sqlite3.connect(source)) as copy, closing(sqlite3.connect(_file())) as there:
            copy.backup(there)
        return
    quote = connection.ops.quote_name
    with transaction.atomic(), connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            cursor.execute(f"DROP TABLE {quote(name)} CASCADE")  # a table that came later may refer to an earlier one
    load(source)


def size() -> int:
    """Bytes, about."""
    if connection.vendor == "sqlite":
        return _file().stat().st_size
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def not_empty(what: str) -> Conflict:
    return Conflict(
        "restore_not_empty", f"There is something already: {what}.",
        "Restore into a new state directory (BRAINPOD_STATE) and an empty database.",
    )  # fmt: skip


def _file() -> Path:
    return Path(str(connection.settings_dict["NAME"]))


def _started(name: str, *words: str, feeds: bool = False) -> Any:
    given = connection.get_connection_params()
    way = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "sslmode": "PGSSLMODE"}
    env = {way[key]: str(value) for key, value in given.items() if key in way and value}
    command = [program(_tools(), name, "postgresql-client"), *words, "--no-password", f"--dbname={given['dbname']}"]
    return started(command, env, secrets=[str(given.get("password") or "")], feeds=feeds)


def _tools() -> Installed:
    """Of the server's version, or the next later one."""
    connection.ensure_connection()
    line = connection.pg_version // 10000  # type: ignore[attr-defined]
    later = {int(at): tools for at, tools in postgres.installed().items() if int(at) >= line}
    if not later:
        raise UserError(
            "backup_tools_missing", f"This host has no programs of PostgreSQL {line}.",
            f"Install the package postgresql-client-{line} on it.",
        )  # fmt: skip
    return later[min(later)]
