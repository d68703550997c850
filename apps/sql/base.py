"""What can be asked of a database server, whoever it belongs to. Everything here is data; no driver is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

TYPES = ("postgresql", "mysql", "mariadb")
READER = "brainpod_reader"  # on a server of their own, the role of those who may only look
ROWS = 1000  # rows of a table at a time
OPERATORS = ("=", "<>", "<", "<=", ">", ">=", "contains", "is null", "is not null")

Cell = str | int | float | bool | None
NOTHING: Mapping[str, str | None] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Where:
    """A server and who connects. `type`: one of TYPES. `database` empty: whatever there always is."""

    type: str
    host: str
    port: int
    username: str
    password: str = field(repr=False)
    database: str = ""
    tls: bool = False  # encrypted or not at all; without, PostgreSQL encrypts where the server offers it

    def at(self, database: str) -> Where:
        return replace(self, database=database)

    def as_user(self, username: str, password: str) -> Where:
        return replace(self, username=username, password=password)


@dataclass(frozen=True, slots=True)
class Database:
    """`size` in bytes. `tables`: None where counting them would take too many connections."""

    name: str
    size: int
    tables: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """`rows`: the server's estimate, None while it has none. `size` in bytes, indexes included. `kind`: table, view."""

    name: str
    schema: str  # empty where the server has none within a database
    rows: int | None
    size: int
    engine: str
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class Column:
    """`generated`: the server gives it a value (identity, auto_increment, a generated column)."""

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    primary: bool = False
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    name: str
    columns: tuple[str, ...]
    unique: bool
    primary: bool
    definition: str = ""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    name: str
    columns: tuple[str, ...]
    table: str  # schema.table where it is in another schema
    references: tuple[str, ...]
    on_delete: str = ""
    on_update: str = ""


@dataclass(frozen=True, slots=True)
class Structure:
    """`primary`: the columns of the primary key in its order; empty where there is none."""

    columns: tuple[Column, ...]
    indexes: tuple[Index, ...]
    foreign_keys: tuple[ForeignKey, ...]
    primary: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """`operator`: one of OPERATORS. `value` is a parameter; the two about null need none."""

    column: str
    operator: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Sort:
    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Caps:
    """What an answer may be at most. `seconds`: of a statement; `size`: bytes the server sends; `cell`: characters."""

    seconds: float = 30.0
    rows: int = 1000
    size: int = 16 << 20
    cell: int = 4000


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of a table, every cell as text. `cut`: (row, column) of the cells that are longer than shown.

    `after`: the primary key of the last row, to ask for what follows it; empty where this is the end or the page is
    not in the order of the primary key: then `more` says that a greater offset has rows.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str | None, ...], ...]
    primary: tuple[str, ...]
    more: bool
    after: tuple[str, ...] = ()
    cut: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement came to. `affected`: rows it changed, None where it says none.

    `notes`: in words, what was left out: rows beyond the cap, bytes beyond it, cells that were cut.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    affected: int | None
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """`host`: from where, on MySQL; empty elsewhere. `superuser`: may do everything on the server."""

    name: str
    host: str = ""
    superuser: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """`database` empty: on all of the server. `owner`: it is the user's own."""

    database: str
    privileges: tuple[str, ...]
    owner: bool = False


class Server(Protocol):
    """One server, as one user. All raise UserError("database_credentials"), Unavailable("database_silent"),
    and UserError("sql_refused") with the server's own words; what is not there is a NotFound.

    `schema` is that of PostgreSQL, empty: `public`; other servers have none. Names are quoted and values are
    parameters, whatever is in them.
    """

    where: Where
    privileges: tuple[str, ...]  # that grant and revoke know of; ALL among them

    def close(self) -> None: ...
    def ping(self) -> float:
        """Seconds until it answered, the connection included."""
        ...

    def version(self) -> str: ...
    def databases(self) -> list[Database]: ...
    def tables(self, database: str) -> list[Table]: ...
    def structure(self, database: str, table: str, schema: str = "") -> Structure: ...

    def columns_by_table(self, database: str) -> dict[str, list[str]]:
        """The names of everything, for completion: at most 500 tables."""
        ...

    def rows(
        self,
        database: str,
        table: str,
        *,
        schema: str = "",
        limit: int = 100,
        offset: int = 0,
        after: Sequence[str] = (),
        filters: Sequence[Filter] = (),
        sort: Sort | None = None,
        caps: Caps = Caps(),
    ) -> Rows:
        """`limit` is ROWS at most. Without `sort`, and by a column that is the whole primary key, in the order of the
        primary key, from behind `after`; otherwise from `offset` on. In a read-only transaction."""
        ...

    def row(self, database: str, table: str, key: Mapping[str, str], *, schema: str = "") -> Rows:
        """One row by its primary key, with cells ten times as long. Raises NotFound."""
        ...

    def query(
        self,
        database: str,
        sql: str,
        *,
        read_only: bool,
        caps: Caps = Caps(),
        started: Callable[[str], None] | None = None,
    ) -> Result:
        """One statement. `read_only`: in a read-only transaction that is rolled back; what keeps somebody from writing
        for certain is being connected as the reader besides. `started` is told the token that `cancel` takes.

        Raises UserError("sql_timeout"), UserError("sql_cancelled").
        """
        ...

    def explain(self, database: str, sql: str, *, caps: Caps = Caps()) -> Result:
        """How it would be done; it is not done. In a read-only transaction."""
        ...

    def stream(
        self,
        database: str,
        sql: str,
        *,
        caps: Caps = Caps(),
        started: Callable[[str], None] | None = None,
    ) -> AbstractContextManager[Stream]:
        """The rows of one statement as they come, read-only, up to the caps; for exports."""
        ...

    def cancel(self, token: str, database: str = "") -> bool:
        """End a statement that `query` or `stream` of the same user began; False where it runs no more."""
        ...

    def create_database(self, name: str, *, owner: str = "") -> None: ...
    def delete_database(self, name: str) -> None:
        """With everything in it; connections to it are ended."""
        ...

    def users(self) -> list[User]: ...
    def create_user(self, name: str, password: str) -> None: ...
    def delete_user(self, name: str) -> None:
        """What it owns becomes that of who is connected."""
        ...

    def change_password(self, name: str, password: str) -> None: ...
    def grants(self, user: str) -> list[Grant]: ...
    def grant(self, user: str, database: str, privileges: Sequence[str]) -> None:
        """On everything in `database`, and on what its owner makes later. Raises Invalid for an unknown privilege."""
        ...

    def revoke(self, user: str, database: str, privileges: Sequence[str]) -> None: ...

    def insert(self, database: str, table: str, values: Mapping[str, str | None], *, schema: str = "") -> None: ...
    def update(
        self, database: str, table: str, key: Mapping[str, str], values: Mapping[str, str | None], *,
        schema: str = "", expected: Mapping[str, str | None] = NOTHING,
    ) -> None:  # fmt: skip
        """Exactly one row: `key` is the whole primary key. `expected`: cells as `row` gave them; the row is locked,
        compared and changed in one transaction. Raises Conflict("row_gone" | "row_changed"), Invalid."""
        ...

    def delete(
        self, database: str, table: str, key: Mapping[str, str], *,
        schema: str = "", expected: Mapping[str, str | None] = NOTHING,
    ) -> None:  # fmt: skip
        """Likewise."""
        ...

    def ensure_reader(self, reader: Where, database: str) -> None:
        """That there is this user, who may look at everything in `database` and do nothing else. Idempotent; for a
        user who may make users."""
        ...

    def reads_all(self, database: str) -> bool:
        """Whether who is connected may look at every table of `database`."""
        ...


@dataclass(frozen=True, slots=True)
class Stream:
    """`rows` may be read once. `notes` is complete when they are."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Cell, ...]]
    notes: list[str]
