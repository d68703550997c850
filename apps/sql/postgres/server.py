"""One PostgreSQL server, as one user: apps.sql.base.Server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from psycopg import sql as compose

from apps.core.errors import Invalid, UserError
from apps.core.ids import new_id
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
from apps.sql.postgres import rows as table_rows
from apps.sql.postgres import structure, users
from apps.sql.postgres.connection import ENTRY, Connection, connect, refusing
from apps.sql.postgres.statements import Statement

_COUNTED = 20  # databases whose tables are counted: each takes a connection


class Postgres(Asking):
    privileges: tuple[str, ...] = users.PRIVILEGES

    def __init__(self, where: Where) -> None:
        self.where = where
        self._made: dict[str, Connection] = {}

    def close(self) -> None:
        while self._made:
            self._made.popitem()[1].close()

    def ping(self) -> float:
        began = time.monotonic()
        with refusing(self.where):
            self._to().execute("SELECT 1")
        return time.monotonic() - began

    def version(self) -> str:
        found = self._to().pgconn.parameter_status(b"server_version") or b""
        return found.decode().partition(" ")[0]

    def databases(self) -> list[Database]:
        with refusing(self.where):
            found = structure.databases(self._to(), ENTRY)
            counted = {name for name, _, may in found[:_COUNTED] if may}
            return [Database(name, size, self._count(name) if name in counted else None) for name, size, _ in found]

    def _count(self, database: str) -> int | None:
        try:
            with connect(self.where.at(database)) as connection:
                return structure.count(connection)
        except UserError:  # not let in
            return None

    def tables(self, database: str) -> list[Table]:
        with refusing(self.where):
            return structure.tables(self._to(database))

    def structure(self, database: str, table: str, schema: str = "") -> Structure:
        with refusing(self.where):
            return structure.structure(self._to(database), schema, table)

    def columns_by_table(self, database: str) -> dict[str, list[str]]:
        with refusing(self.where):
            return structure.columns_by_table(self._to(database))

    def rows(
        self, database: str, table: str, *, schema: str = "", limit: int = 100, offset: int = 0,
        after: Sequence[str] = (), filters: Sequence[Filter] = (), sort: Sort | None = None, caps: Caps = Caps(),  # noqa: B008
    ) -> Rows:  # fmt: skip
        found = self.structure(database, table, schema)
        with refusing(self.where, f"table {table}"):
            return table_rows.page(
                self._to(database), found, schema, table,
                limit=limit, offset=offset, after=after, filters=filters, sort=sort, caps=caps,
            )  # fmt: skip

    def row(self, database: str, table: str, key: Mapping[str, str], *, schema: str = "") -> Rows:
        found = self.structure(database, table, schema)
        with refusing(self.where):
            return table_rows.one(self._to(database), found, schema, table, key)

    def explain(self, database: str, sql: str, *, caps: Caps = Caps()) -> Result:  # noqa: B008
        # With options in parentheses no more of them can follow: what is asked about is not done.
        return self.query(database, f"EXPLAIN (COSTS) {sql}", read_only=True, caps=caps)

    @contextmanager
    def _statement(
        self, database: str, sql: str, caps: Caps, read_only: bool, started: Callable[[str], None] | None
    ) -> Iterator[Statement]:
        """On a connection of its own: whatever it sets ends with it."""
        token = f"brainpod {new_id()}"
        connection = connect(self.where.at(database), token, caps.seconds)
        try:
            if read_only:
                connection.execute("BEGIN READ ONLY")
            if started is not None:
                started(token)
            statement = Statement(self.where.at(database), connection, caps, drain=not read_only)
            statement.begin(sql)
            yield statement
        finally:
            connection.close()  # a transaction that is open is rolled back

    def cancel(self, token: str, database: str = "") -> bool:
        asks = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND usename = %s"
        if not token.startswith("brainpod "):
            return False
        with refusing(self.where):
            return self._to(database).execute(asks, [token, self.where.username]).fetchone() == (True,)

    def create_database(self, name: str, *, owner: str = "") -> None:
        asked.name("name", name)
        made = compose.Identifier(name)
        with refusing(self.where):
            words = compose.SQL("CREATE DATABASE {}").format(made)
            if owner:
                words += compose.SQL(" OWNER {}").format(compose.Identifier(owner))
            self._to().execute(words)
            self._to().execute(compose.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(made))

    def delete_database(self, name: str) -> None:
        if connection := self._made.pop(name, None):
            connection.close()
        with refusing(self.where, f"database {name}"):
            self._to().execute(compose.SQL("DROP DATABASE {} WITH (FORCE)").format(compose.Identifier(name)))

    def users(self) -> list[User]:
        with refusing(self.where):
            return users.users(self._to())

    def create_user(self, name: str, password: str) -> None:
        with refusing(self.where):
            users.create(self._to(), name, password)

    def delete_user(self, name: str) -> None:
        with refusing(self.where, f"user {name}"):
            for database, _, may in structure.databases(self._to(), ""):
                if may:
                    users.delete_parts(self._to(database), name)
            users.delete(self._to(), name)

    def change_password(self, name: str, password: str) -> None:
        with refusing(self.where, f"user {name}"):
            users.change_password(self._to(), name, password)

    def grants(self, user: str) -> list[Grant]:
        with refusing(self.where):
            found = structure.databases(self._to(), ENTRY)
            grants = [users.granted(self._to(name), user, name) for name, _, may in found if may]
            return [one for one in grants if one is not None]

    def grant(self, user: str, database: str, privileges: Sequence[str]) -> None:
        with refusing(self.where, f"user {user}"):
            users.grant(self._to(database), user, database, privileges)

    def revoke(self, user: str, database: str, privileges: Sequence[str]) -> None:
        with refusing(self.where, f"user {user}"):
            users.revoke(self._to(database), user, database, privileges)

    def insert(self, database: str, table: str, values: Mapping[str, str | None], *, schema: str = "") -> None:
        found = self.structure(database, table, schema)
        with refusing(self.where):
            table_rows.insert(self._to(database), found, schema, table, values)

    def update(
        self, database: str, table: str, key: Mapping[str, str], values: Mapping[str, str | None], *,
        schema: str = "", expected: Mapping[str, str | None] = NOTHING,
    ) -> None:  # fmt: skip
        found = self.structure(database, table, schema)
        with refusing(self.where):
            table_rows.update(self._to(database), found, schema, table, key, values, expected)

    def delete(
        self, database: str, table: str, key: Mapping[str, str], *,
        schema: str = "", expected: Mapping[str, str | None] = NOTHING,
    ) -> None:  # fmt: skip
        found = self.structure(database, table, schema)
        with refusing(self.where):
            table_rows.delete(self._to(database), found, schema, table, key, expected)

    def ensure_reader(self, reader: Where, database: str) -> None:
        named = database or self.where.database or ENTRY
        with refusing(self.where):
            users.ensure_reader(self._to(database), reader.username, reader.password, named)

    def reads_all(self, database: str) -> bool:
        with refusing(self.where):
            return users.reads_all(self._to(database))

    def _to(self, database: str = "") -> Connection:
        """The connection to a database, made once. Raises Invalid for a name no database can have."""
        database = database or self.where.database or ENTRY
        if "\0" in database or len(database) > asked.LONGEST:
            raise Invalid("There is no such database.")
        made = self._made.get(database)
        if made is None or made.closed:
            made = self._made[database] = connect(self.where.at(database))
        return made
