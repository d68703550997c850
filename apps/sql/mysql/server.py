"""One MySQL or MariaDB server, as one user: apps.sql.base.Server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from apps.core.errors import Invalid
from apps.sql import asked
from apps.sql.asking import Asking
from apps.sql.base import (
    NOTHING,
    Caps,
    Database,
    Filter,
    Grant,
    Result,
    Rows,
    Sort,
    Structure,
    Table,
    User,
    Where,
)
from apps.sql.mysql import rows as table_rows
from apps.sql.mysql import structure, users
from apps.sql.mysql.connection import Connection, ask, connect, quoted, refusing
from apps.sql.mysql.statements import Statement, kill


class MySQL(Asking):
    privileges: tuple[str, ...] = users.PRIVILEGES

    def __init__(self, where: Where) -> None:
        self.where = where
        self._made: Connection | None = None

    def close(self) -> None:
        if self._made is not None:
            self._made.close() if self._made.open else None
            self._made = None

    def ping(self) -> float:
        began = time.monotonic()
        with refusing(self.where):
            ask(self._to(), "SELECT 1")
        return time.monotonic() - began

    def version(self) -> str:
        return str(self._to().get_server_info()).removeprefix("5.5.5-")  # which MariaDB says for clients of old

    def databases(self) -> list[Database]:
        with refusing(self.where):
            return structure.databases(self._to())

    def tables(self, database: str) -> list[Table]:
        with refusing(self.where):
            return structure.tables(self._to(), self._named(database))

    def structure(self, database: str, table: str, schema: str = "") -> Structure:
        with refusing(self.where):
            return structure.structure(self._to(), self._named(database), table)

    def columns_by_table(self, database: str) -> dict[str, list[str]]:
        with refusing(self.where):
            return structure.columns_by_table(self._to(), self._named(database))

    def rows(
        self, database: str, table: str, *, schema: str = "", limit: int = 100, offset: int = 0,
        after: Sequence[str] = (), filters: Sequence[Filter] = (), sort: Sort | None = None, caps: Caps = Caps(),  # noqa: B008
    ) -> Rows:  # fmt: skip
        found = self.structure(database, table)
        with refusing(self.where, f"table {table}"):
            return table_rows.page(
                self._to(), found, self._named(database), table,
                limit=limit, offset=offset, after=after, filters=filters, sort=sort, caps=caps,
            )  # fmt: skip

    def row(self, database: str, table: str, key: Mapping[str, str], *, schema: str = "") -> Rows:
        found = self.structure(database, table)
        with refusing(self.where):
            return table_rows.one(self._to(), found, self._named(database), table, key)

    def explain(self, database: str, sql: str, *, caps: Caps = Caps()) -> Result:  # noqa: B008
        # The format is named so that no ANALYZE can follow: what is asked about is not done.
        return self.query(database, f"EXPLAIN FORMAT=JSON {sql}", read_only=True, caps=caps)

    @contextmanager
    def _statement(
        self, database: str, sql: str, caps: Caps, read_only: bool, started: Callable[[str], None] | None
    ) -> Iterator[Statement]:
        """On a connection of its own: whatever it sets ends with it."""
        connection = connect(self.where.at(self._named(database)))
        try:
            with refusing(self.where):
                self._limit(connection, caps.seconds)
                if read_only:
                    ask(connection, "START TRANSACTION READ ONLY")
            if started is not None:
                started(str(connection.thread_id()))
            statement = Statement(self.where, connection, caps, drain=not read_only)
            statement.begin(sql)
            yield statement
        finally:
            if connection.open:
                connection._force_close()  # type: ignore[attr-defined]  # a transaction that is open is rolled back

    @staticmethod
    def _limit(connection: Connection, seconds: float) -> None:
        """On the server; what a statement sets aside of it, the deadline of the connection does."""
        if "mariadb" in connection.get_server_info().lower():
            ask(connection, "SET SESSION max_statement_time = %s", [seconds])
        else:
            ask(connection, "SET SESSION max_execution_time = %s", [int(seconds * 1000)])

    def cancel(self, token: str, database: str = "") -> bool:
        return kill(self.where, token)

    def create_database(self, name: str, *, owner: str = "") -> None:
        asked.name("name", name, 64)
        with refusing(self.where):
            ask(self._to(), f"CREATE DATABASE {quoted(name)} CHARACTER SET utf8mb4")
            if owner:
                users.grant(self._to(), owner, name, ["ALL"])

    def delete_database(self, name: str) -> None:
        with refusing(self.where, f"database {name}"):
            structure.check(self._to(), name)
            ask(self._to(), f"DROP DATABASE {quoted(name)}")

    def users(self) -> list[User]:
        with refusing(self.where):
            return users.users(self._to())

    def create_user(self, name: str, password: str) -> None:
        with refusing(self.where):
            users.create(self._to(), name, password)

    def delete_user(self, name: str) -> None:
        with refusing(self.where, f"user {name}"):
            users.delete(self._to(), name)

    def change_password(self, name: str, password: str) -> None:
        with refusing(self.where, f"user {name}"):
            users.change_password(self._to(), name, password)

    def grants(self, user: str) -> list[Grant]:
        with refusing(self.where, f"user {user}"):
            return users.grants(self._to(), user)

    def grant(self, user: str, database: str, privileges: Sequence[str]) -> None:
        with refusing(self.where, f"user {user}"):
            users.grant(self._to(), user, self._named(database), privileges)

    def revoke(self, user: str, database: str, privileges: Sequence[str]) -> None:
        with refusing(self.where, f"user {user}"):
            users.revoke(self._to(), user, self._named(database), privileges)

    def insert(self, database: str, table: str, values: Mapping[str, str | None], *, schema: str = "") -> None:
        found = self.structure(database, table)
        with refusing(self.where):
            table_rows.insert(self._to(), found, self._named(database), table, values)

    def update(
        self, database: str, table: str, key: Mapping[str, str], values: Mapping[str, str | None], *,
        schema: str = "", expected: Mapping[str, str | None] = NOTHING,
    ) -> None:  # fmt: skip
        found = self.structure(database, table)
        with refusing(self.where):
            table_rows.update(self._to(), found, self._named(database), table, key, values, expected)

    def delete(
        self, database: str, table: str, key: Mapping[str, str], *,
        schema: str = "", expected: Mapping[str, str | None] = NOTHING,
    ) -> None:  # fmt: skip
        found = self.structure(database, table)
        with refusing(self.where):
            table_rows.delete(self._to(), found, self._named(database), table, key, expected)

    def ensure_reader(self, reader: Where, database: str) -> None:
        with refusing(self.where):
            users.ensure_reader(self._to(), reader.username, reader.password, database)

    def reads_all(self, database: str) -> bool:
        self.ping()  # who is let in at all has been granted the whole database
        return True

    def _named(self, database: str) -> str:
        found = database or self.where.database
        if not found or "\0" in found or len(found) > 64:
            raise Invalid("There is no such database.")
        return found

    def _to(self) -> Connection:
        """The connection, made once: names are written with their database."""
        if self._made is None or not self._made.open:
            self._made = connect(self.where)
        return self._made
