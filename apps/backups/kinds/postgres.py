"""PostgreSQL: pg_dump's own format, of one snapshot with the rows counted in the same; loaded beside, then renamed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from apps import sql as servers
from apps.backups.kinds.base import WAIT, At, Loaded, Rows
from apps.backups.kinds.programs import Program, program, started
from apps.backups.sealing import Readable
from apps.core.errors import PlatformError

HOME = "postgres"  # the database to be in where it is about others
TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  AND c.relpersistence <> 't'
  AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""


class Postgres:
    @contextmanager
    def dump(self, at: At) -> Iterator[PostgresDump]:
        tool = program(at.tools, "pg_dump", at.server.package.format(at.version))
        with connected(at, at.database) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            row = connection.execute("SELECT pg_export_snapshot()").fetchone()
            assert row is not None
            command = [
                tool, "--format=custom", "--compress=0", f"--snapshot={row[0]}", "--lock-wait-timeout=60000",
                "--no-password", *_way(at, at.admin, at.database),
            ]  # fmt: skip
            with started(command, {"PGPASSWORD": at.admin_password}, secrets=[at.admin_password]) as running:
                yield PostgresDump(running, connection)

    def load(self, at: At, stream: Readable, scratch: str, step: Callable[[str], None]) -> Loaded:
        """As the apps' own user: what is in a backup runs with no more rights than it had."""
        tool = program(at.tools, "pg_restore", at.server.package.format(at.version))
        with connected(at, HOME, autocommit=True) as connection:
            made = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(*_names(scratch, at.user))
            connection.execute(made)
            if at.shared:  # as the one whose place it takes
                connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(scratch)))
        step("Loading it beside what is there")
        # Whom it speaks of may be nobody here, and for the platform's own user the apps' cannot speak at all.
        options = ("--no-owner", "--no-privileges", "--enable-row-security", "--exit-on-error", "--no-password")
        command = [tool, *options, *_way(at, at.user, scratch)]
        with started(command, {"PGPASSWORD": at.password}, secrets=[at.password], feeds=True) as running:
            running.feed(stream)
        step("Counting its rows")
        with connected(at, scratch) as connection:
            return Loaded(counted(connection))

    def swap(self, at: At, scratch: str, loaded: Loaded) -> None:
        """Both are renamed in one transaction, while nobody is let in. Connections of apps end."""
        if not at.shared:  # there, the one who reads is let in when needed
            _let_in(at, scratch)
        old = f"{scratch}_old"
        with connected(at, HOME, autocommit=True) as connection:
            try:
                for database in (at.database, scratch):
                    connection.execute(_alter(database, "ALLOW_CONNECTIONS false"))
                    connection.execute(
                        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [database]
                    )
                with connection.transaction():
                    for before, after in ((at.database, old), (scratch, at.database)):
                        connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*_names(before, after)))
            finally:
                connection.execute(_alter(at.database, "ALLOW_CONNECTIONS true"))
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(*_names(old)))

    def drop(self, at: At, scratch: str) -> None:
        with connected(at, HOME, autocommit=True) as connection:
            # A worker may have been killed while nobody was let in.
            connection.execute(_alter(at.database, "ALLOW_CONNECTIONS true"))
            for name in (scratch, f"{scratch}_old"):
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(*_names(name)))


class PostgresDump:
    extension = "dump"

    def __init__(self, running: Program, connection: psycopg.Connection[Any]) -> None:
        self._running = running
        self._rows: Rows | BaseException | None = None
        self._counting = threading.Thread(target=self._count, args=(connection,), daemon=True, name="counting")
        self._counting.start()

    def read(self, size: int, /) -> bytes:
        return self._running.output.read(size)

    def finish(self) -> Rows:
        self._running.ended()
        self._counting.join()
        if isinstance(self._rows, psycopg.Error):
            raise _failure(self._rows)
        assert isinstance(self._rows, dict)
        return self._rows

    def _count(self, connection: psycopg.Connection[Any]) -> None:
        try:
            self._rows = counted(connection)
        except psycopg.Error as error:
            self._rows = error


def counted(connection: psycopg.Connection[Any]) -> Rows:
    """The rows of every table, partitions one by one, by the connection's transaction."""
    found: Rows = {}
    for schema, table in connection.execute(TABLES).fetchall():
        row = connection.execute(
            sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, table))
        ).fetchone()
        assert row is not None
        found[f"{schema}.{table}"] = (row[0], row[0])
    return found


def _let_in(at: At, scratch: str) -> None:
    """Give users what they have by database (apps/sql) in what takes its place, the owner's later tables included."""
    where = servers.Where("postgresql", at.host, at.port, at.admin, at.admin_password)
    with servers.open(where) as server:
        for user in server.users():
            for has in server.grants(user.name):
                if has.database == at.database and has.privileges:
                    server.grant(user.name, scratch, has.privileges)


@contextmanager
def connected(at: At, database: str, *, autocommit: bool = False) -> Iterator[psycopg.Connection[Any]]:
    """As the platform's own user. Raises PlatformError("backup_database_failed")."""
    try:
        with psycopg.connect(
            host=at.host, port=at.port, user=at.admin, password=at.admin_password, dbname=database,
            connect_timeout=WAIT, autocommit=autocommit, application_name="brainpod backup",
        ) as connection:  # fmt: skip
            yield connection
    except psycopg.Error as error:
        raise _failure(error) from None


def _failure(error: psycopg.Error) -> PlatformError:
    said = error.diag.message_primary or ("it does not answer" if isinstance(error, psycopg.OperationalError) else "")
    return PlatformError("backup_database_failed", f"PostgreSQL: {said or type(error).__name__}."[:400])


def _way(at: At, user: str, database: str) -> list[str]:
    return [f"--host={at.host}", f"--port={at.port}", f"--username={user}", f"--dbname={database}"]


def _names(*names: str) -> list[sql.Identifier]:
    return [sql.Identifier(name) for name in names]


def _alter(database: str, what: str) -> sql.Composed:
    return sql.SQL("ALTER DATABASE {} WITH " + what).format(sql.Identifier(database))  # type: ignore[arg-type]
