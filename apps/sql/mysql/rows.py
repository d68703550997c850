"""Rows of a MySQL or MariaDB table: a page of them, one, and one changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from apps.core.errors import Detail, Invalid, NotFound
from apps.sql import asked
from apps.sql.base import ROWS, Caps, Column, Filter, Rows, Sort, Structure
from apps.sql.mysql.connection import Connection, ask, quoted

LONG = Caps().cell * 10  # characters of a cell of a row that is looked at alone
_BINARY = re.compile(r"(tiny|medium|long)?blob|(var)?binary|bit|geometry|point|linestring|polygon")


def page(
    connection: Connection, structure: Structure, database: str, table: str, *, limit: int, offset: int,
    after: Sequence[str], filters: Sequence[Filter], sort: Sort | None, caps: Caps,
) -> Rows:  # fmt: skip
    limit, offset = asked.page(limit, offset, ROWS)
    asked.conditions(structure.columns, filters, sort)
    types = {column.name: column for column in structure.columns}
    conditions, values = _conditions(types, filters)
    ordered = asked.in_key_order(structure, sort)
    if ordered and after:
        key = asked.key(structure, dict(zip(structure.primary, after, strict=False)))
        sent = [_sent(types[name], text) for name, text in zip(structure.primary, key, strict=True)]
        words, more = _behind(structure.primary, sent, sort is not None and sort.descending)
        conditions.append(words)
        values += more
        offset = 0
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    statement = (
        f"SELECT {_shown(structure.columns, caps.cell)} FROM {quoted(database)}.{quoted(table)}{where}"  # noqa: S608
        f"{_order(structure, sort)} LIMIT {limit + 1:d} OFFSET {offset:d}"
    )
    return _rows(structure, _read(connection, statement, values), limit, caps.cell, ordered)


def one(connection: Connection, structure: Structure, database: str, table: str, key: Mapping[str, str]) -> Rows:
    """Raises NotFound."""
    found = _read(connection, *_one(structure, database, table, key))
    if not found:
        raise NotFound("row with this key")
    return _rows(structure, found, 1, LONG, False)


def _one(structure: Structure, database: str, table: str, key: Mapping[str, str]) -> tuple[str, list[Any]]:
    at, values = _at(structure, key)
    shown = _shown(structure.columns, LONG)
    return f"SELECT {shown} FROM {quoted(database)}.{quoted(table)} WHERE {at} LIMIT 1", values  # noqa: S608


def insert(
    connection: Connection, structure: Structure, database: str, table: str, values: Mapping[str, str | None]
) -> None:
    asked.values(structure.columns, values)
    types = {column.name: column for column in structure.columns}
    names, marks = ", ".join(map(quoted, values)), ", ".join(["%s"] * len(values))
    ask(
        connection,
        f"INSERT INTO {quoted(database)}.{quoted(table)} ({names}) VALUES ({marks})",  # noqa: S608
        [_sent(types[name], value) for name, value in values.items()],
    )


def update(
    connection: Connection, structure: Structure, database: str, table: str,
    key: Mapping[str, str], values: Mapping[str, str | None], expected: Mapping[str, str | None],
) -> None:  # fmt: skip
    at, of_key = _at(structure, key)
    asked.values(structure.columns, values)
    if not values:
        raise Invalid("Nothing was changed.")
    types = {column.name: column for column in structure.columns}
    sets = ", ".join(f"{quoted(name)} = %s" for name in values)
    sent = [_sent(types[name], value) for name, value in values.items()]
    statement = f"UPDATE {quoted(database)}.{quoted(table)} SET {sets} WHERE {at} LIMIT 1"  # noqa: S608
    with _as_expected(connection, structure, database, table, key, expected):
        _exactly_one(connection, statement, [*sent, *of_key])


def delete(
    connection: Connection, structure: Structure, database: str, table: str,
    key: Mapping[str, str], expected: Mapping[str, str | None],
) -> None:  # fmt: skip
    at, values = _at(structure, key)
    with _as_expected(connection, structure, database, table, key, expected):
        _exactly_one(connection, f"DELETE FROM {quoted(database)}.{quoted(table)} WHERE {at} LIMIT 1", values)  # noqa: S608


@contextmanager
def _as_expected(
    connection: Connection, structure: Structure, database: str, table: str,
    key: Mapping[str, str], expected: Mapping[str, str | None],
) -> Iterator[None]:  # fmt: skip
    """A transaction that begins with locking the row, which is what somebody saw. Raises Conflict."""
    ask(connection, "START TRANSACTION")
    try:
        if expected:
            statement, values = _one(structure, database, table, key)
            found = ask(connection, f"{statement} FOR UPDATE", values)
            if not found:
                raise asked.row_gone()
            asked.unchanged(expected, _rows(structure, found, 1, LONG, False))
        yield
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _exactly_one(connection: Connection, statement: str, values: list[Any]) -> None:
    with connection.cursor() as cursor:
        if cursor.execute(statement, values) != 1:
            raise asked.row_gone()


def _read(connection: Connection, statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
    ask(connection, "START TRANSACTION READ ONLY")
    try:
        return ask(connection, statement, values)
    finally:
        connection.rollback()


def _at(structure: Structure, key: Mapping[str, str]) -> tuple[str, list[Any]]:
    types = {column.name: column for column in structure.columns}
    values = asked.key(structure, key)
    words = " AND ".join(f"{quoted(name)} = %s" for name in structure.primary)
    return words, [_sent(types[name], value) for name, value in zip(structure.primary, values, strict=True)]


def _behind(columns: Sequence[str], values: Sequence[Any], descending: bool) -> tuple[str, list[Any]]:
    """Written out: these servers read a range of an index for it, and not for (a, b) > (1, 2)."""
    sign, words, given = "<" if descending else ">", [], []
    for at, name in enumerate(columns):
        equal = [f"{quoted(one)} = %s" for one in columns[:at]]
        words.append("(" + " AND ".join([*equal, f"{quoted(name)} {sign} %s"]) + ")")
        given += [*values[:at], values[at]]
    first = f"{quoted(columns[0])} {sign}= %s"
    return f"({first} AND ({' OR '.join(words)}))", [values[0], *given]


def _sent(column: Column, value: str | None) -> Any:
    """Binary columns are written in hexadecimal, as they are shown."""
    if value is None or not _BINARY.match(column.type):
        return value
    try:
        return bytes.fromhex(value.removeprefix("0x"))
    except ValueError:
        raise Invalid([Detail(f"values.{column.name}", "Binary values are hexadecimal, such as 0x00ff.")]) from None


def _shown(columns: Sequence[Column], cell: int) -> str:
    """Cut on the server, so that a gigantic cell does not travel."""
    return ", ".join(
        f"CONCAT('0x', HEX(LEFT({quoted(it.name)}, {cell // 2 + 1:d})))" if _BINARY.match(it.type)
        else f"LEFT(CAST({quoted(it.name)} AS CHAR), {cell + 1:d})"
        for it in columns
    )  # fmt: skip


def _conditions(types: Mapping[str, Column], filters: Sequence[Filter]) -> tuple[list[str], list[Any]]:
    made, values = [], []
    for it in filters:
        column = quoted(it.column)
        if it.operator == "contains":
            escaped = it.value.replace("|", "||").replace("%", "|%").replace("_", "|_")
            made.append(f"CAST({column} AS CHAR) LIKE %s ESCAPE '|'")
            values.append(f"%{escaped}%")
        elif it.operator in ("is null", "is not null"):
            made.append(f"{column} {it.operator.upper()}")
        else:
            made.append(f"{column} {it.operator} %s")
            values.append(_sent(types[it.column], it.value))
    return made, values


def _order(structure: Structure, sort: Sort | None) -> str:
    way = " DESC" if sort and sort.descending else ""
    if asked.in_key_order(structure, sort):
        return " ORDER BY " + ", ".join(quoted(column) + way for column in structure.primary)
    if sort is None:
        return ""
    rest = [quoted(column) for column in structure.primary if column != sort.column]
    return " ORDER BY " + ", ".join([quoted(sort.column) + way, *rest])


def _rows(structure: Structure, found: list[tuple[Any, ...]], limit: int, cell: int, ordered: bool) -> Rows:
    more, found = len(found) > limit, [tuple(_text(value) for value in row) for row in found[:limit]]
    cut = frozenset(
        (row, at) for row, cells in enumerate(found) for at, value in enumerate(cells) if value and len(value) > cell
    )
    shown = tuple(tuple(value and value[:cell] for value in cells) for cells in found)
    places = [next(at for at, it in enumerate(structure.columns) if it.name == name) for name in structure.primary]
    last = len(shown) - 1
    whole = shown and not any((last, at) in cut for at in places)
    after = tuple(shown[-1][at] or "" for at in places) if ordered and more and whole else ()
    return Rows(structure.columns, shown, structure.primary, more, after, cut)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if value is None else str(value)
