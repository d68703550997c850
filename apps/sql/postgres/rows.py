"""Rows of a PostgreSQL table: a page of them, one, and one changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import LiteralString, cast

from psycopg import sql

from apps.core.errors import Invalid, NotFound
from apps.sql import asked
from apps.sql.base import ROWS, Caps, Column, Filter, Rows, Sort, Structure
from apps.sql.postgres.connection import Connection, named, of_relation

LONG = Caps().cell * 10  # characters of a cell of a row that is looked at alone


def page(
    connection: Connection, structure: Structure, schema: str, table: str, *, limit: int, offset: int,
    after: Sequence[str], filters: Sequence[Filter], sort: Sort | None, caps: Caps,
) -> Rows:  # fmt: skip
    limit, offset = asked.page(limit, offset, ROWS)
    asked.conditions(structure.columns, filters, sort)
    conditions, values = _conditions(filters)
    ordered = asked.in_key_order(structure, sort)
    descending = sort is not None and sort.descending
    if ordered and after:
        conditions.append(_behind(structure.primary, descending))
        values += asked.key(structure, dict(zip(structure.primary, after, strict=False)))
        offset = 0
    statement = sql.SQL("SELECT {} FROM {}{}{} LIMIT {} OFFSET {}").format(
        sql.SQL(", ").join(_shown(column, caps.cell) for column in structure.columns),
        of_relation(schema, table),
        sql.SQL(" WHERE ") + sql.SQL(" AND ").join(conditions) if conditions else sql.SQL(""),
        _order(structure, sort),
        sql.Literal(limit + 1),
        sql.Literal(offset),
    )
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        found = connection.execute(statement, values).fetchall()
    return _rows(structure, found, limit, caps.cell, ordered)


def one(connection: Connection, structure: Structure, schema: str, table: str, key: Mapping[str, str]) -> Rows:
    """Raises NotFound."""
    statement, values = _one(structure, schema, table, key)
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        found = connection.execute(statement, values).fetchall()
    if not found:
        raise NotFound("row with this key")
    return _rows(structure, found, 1, LONG, False)


def _one(structure: Structure, schema: str, table: str, key: Mapping[str, str]) -> tuple[sql.Composed, list[str]]:
    values = asked.key(structure, key)
    statement = sql.SQL("SELECT {} FROM {} WHERE {} LIMIT 1").format(
        sql.SQL(", ").join(_shown(column, LONG) for column in structure.columns),
        of_relation(schema, table), _at(structure.primary),
    )  # fmt: skip
    return statement, values


def insert(
    connection: Connection, structure: Structure, schema: str, table: str, values: Mapping[str, str | None]
) -> None:
    asked.values(structure.columns, values)
    if not values:
        connection.execute(sql.SQL("INSERT INTO {} DEFAULT VALUES").format(of_relation(schema, table)), [])
        return
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        of_relation(schema, table),
        sql.SQL(", ").join(map(named, values)),
        sql.SQL(", ").join([sql.Placeholder()] * len(values)),
    )
    connection.execute(statement, list(values.values()))


def update(
    connection: Connection, structure: Structure, schema: str, table: str,
    key: Mapping[str, str], values: Mapping[str, str | None], expected: Mapping[str, str | None],
) -> None:  # fmt: skip
    at = asked.key(structure, key)
    asked.values(structure.columns, values)
    if not values:
        raise Invalid("Nothing was changed.")
    statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(
        of_relation(schema, table),
        sql.SQL(", ").join(sql.SQL("{} = %s").format(named(column)) for column in values),
        _at(structure.primary),
    )
    with connection.transaction():
        _as_expected(connection, structure, schema, table, key, expected)
        _exactly_one(connection, statement, [*values.values(), *at])


def delete(
    connection: Connection, structure: Structure, schema: str, table: str,
    key: Mapping[str, str], expected: Mapping[str, str | None],
) -> None:  # fmt: skip
    at = asked.key(structure, key)
    statement = sql.SQL("DELETE FROM {} WHERE {}").format(of_relation(schema, table), _at(structure.primary))
    with connection.transaction():
        _as_expected(connection, structure, schema, table, key, expected)
        _exactly_one(connection, statement, at)


def _as_expected(
    connection: Connection, structure: Structure, schema: str, table: str,
    key: Mapping[str, str], expected: Mapping[str, str | None],
) -> None:  # fmt: skip
    """Within a transaction: the row is locked, and is what somebody saw. Raises Conflict."""
    if not expected:
        return
    statement, values = _one(structure, schema, table, key)
    found = connection.execute(statement + sql.SQL(" FOR UPDATE"), values).fetchall()
    if not found:
        raise asked.row_gone()
    asked.unchanged(expected, _rows(structure, found, 1, LONG, False))


def _exactly_one(connection: Connection, statement: sql.Composed, values: Sequence[str | None]) -> None:
    """Within a transaction, which more than one row undoes."""
    if connection.execute(statement, values).rowcount != 1:
        raise asked.row_gone()


def _at(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(sql.SQL("{} = %s").format(named(column)) for column in columns)


def _behind(columns: Sequence[str], descending: bool) -> sql.Composed:
    names = sql.SQL(", ").join(map(named, columns))
    marks = sql.SQL(", ").join([sql.Placeholder()] * len(columns))
    return sql.SQL("({}) {} ({})").format(names, sql.SQL("<" if descending else ">"), marks)


def _shown(column: Column, cell: int) -> sql.Composed:
    """Cut on the server, so that a gigantic cell does not travel."""
    if column.type == "bytea":
        return sql.SQL("'\\x' || encode(substring({} from 1 for {}), 'hex')").format(
            named(column.name), sql.Literal(cell // 2 + 1)
        )
    return sql.SQL("left({}::text, {})").format(named(column.name), sql.Literal(cell + 1))


def _conditions(filters: Sequence[Filter]) -> tuple[list[sql.Composed], list[str]]:
    made, values = [], []
    for it in filters:
        column = named(it.column)
        if it.operator == "contains":
            escaped = it.value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            made.append(sql.SQL("{}::text ILIKE %s").format(column))
            values.append(f"%{escaped}%")
        elif it.operator in ("is null", "is not null"):
            made.append(sql.SQL("{} {}").format(column, _word(it.operator.upper())))
        else:
            made.append(sql.SQL("{} {} %s").format(column, _word(it.operator)))
            values.append(it.value)
    return made, values


def _word(operator: str) -> sql.SQL:
    return sql.SQL(cast(LiteralString, operator))  # one of OPERATORS: asked.conditions has looked


def _order(structure: Structure, sort: Sort | None) -> sql.Composable:
    way = sql.SQL(" DESC NULLS LAST" if sort and sort.descending else "")
    if asked.in_key_order(structure, sort):
        way = sql.SQL(" DESC" if sort and sort.descending else "")
        return sql.SQL(" ORDER BY ") + sql.SQL(", ").join(named(column) + way for column in structure.primary)
    if sort is None:
        return sql.SQL("")
    rest = [named(column) for column in structure.primary if column != sort.column]
    return sql.SQL(" ORDER BY ") + sql.SQL(", ").join([named(sort.column) + way, *rest])


def _rows(structure: Structure, found: list[tuple[str | None, ...]], limit: int, cell: int, ordered: bool) -> Rows:
    more, found = len(found) > limit, found[:limit]
    cut = frozenset(
        (row, at) for row, cells in enumerate(found) for at, value in enumerate(cells) if value and len(value) > cell
    )
    shown = tuple(tuple(value and value[:cell] for value in cells) for cells in found)
    places = [next(at for at, it in enumerate(structure.columns) if it.name == name) for name in structure.primary]
    last = len(shown) - 1
    whole = shown and not any((last, at) in cut for at in places)
    after = tuple(shown[-1][at] or "" for at in places) if ordered and more and whole else ()
    return Rows(structure.columns, shown, structure.primary, more, after, cut)
