"""The platform's database in one file and back: SQLite by its online copy, PostgreSQL by pg_dump."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection, transaction

from apps.backups.kinds.base import Rows, differences
from apps.backups.kinds.postgres import counted as counted_in_postgres
from apps.backups.kinds.programs import program, started
from apps.backups.sealing import BLOCK
from apps.core.errors import Conflict, PlatformError, UserError
from apps.servers import postgres
from apps.servers.base import Installed

SQLITE, POSTGRES = "database.sqlite3", "database.dump"
AS_OURS = ("--no-owner", "--no-privileges", "--single-transaction")  # the users there are others; all of it or nothing


@dataclass(frozen=True, slots=True)
class Dumped:
    """The file's name, and the rows of every table in it."""

    name: str
    rows: Rows


def dump(into: Path) -> Dumped:
    """A consistent copy of it in the directory `into`, while it is in use."""
    if connection.vendor == "sqlite":
        path = into / SQLITE
        path.touch(0o600)
        with closing(sqlite3.connect(_file())) as source, closing(sqlite3.connect(path)) as copy:
            source.backup(copy)
        return Dumped(SQLITE, _counted(path))
    with closing(connection.get_new_connection(connection.get_connection_params())) as same:
        same.isolation_level, same.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
        snapshot = same.execute("SELECT pg_export_snapshot()").fetchone()[0]
        with open(os.open(into / POSTGRES, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            with _started("pg_dump", "--format=custom", "--compress=0", f"--snapshot={snapshot}") as running:
                while block := running.output.read(BLOCK):
                    file.write(block)
                running.ended()
        return Dumped(POSTGRES, counted_in_postgres(same))


def compare(rows: Mapping[str, tuple[int, int]]) -> None:
    """Raises PlatformError("backup_differs") where the tables have other rows than these."""
    if connection.vendor == "sqlite":
        found = _counted(_file())
    else:
        connection.ensure_connection()
        found = counted_in_postgres(connection.connection)
    if said := differences(rows, found):
        raise PlatformError(
            "backup_differs", f"What was loaded is not what was backed up: {', '.join(said[:3])}.",
            "Do not start the platform on it. Restore another backup into an empty database.",
        )  # fmt: skip


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
    with source.open("rb") as file, _started("pg_restore", *AS_OURS, feeds=True) as running:
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


def _counted(path: Path) -> Rows:
    with closing(sqlite3.connect(path)) as file:
        names = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        quote = connection.ops.quote_name
        counts = {name: file.execute(f"SELECT count(*) FROM {quote(name)}").fetchone()[0] for name in names}  # noqa: S608
    return {name: (count, count) for name, count in counts.items()}


def _started(name: str, *words: str, feeds: bool = False) -> Any:
    """With everything that DATABASE_URL says of the way, certificates too; by its environment, as a password may be."""
    given = connection.get_connection_params()
    known = {one.keyword.decode(): one.envvar.decode() for one in psycopg.pq.Conninfo.get_defaults() if one.envvar}
    env = {known[key]: str(value) for key, value in given.items() if key in known and value}
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
