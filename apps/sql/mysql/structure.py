"""What a MySQL or MariaDB server has: databases, tables, columns, indexes, foreign keys. Estimates, never counts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from apps.core.errors import NotFound
from apps.sql.base import Column, Database, ForeignKey, Index, Structure, Table
from apps.sql.mysql.connection import Connection, ask

SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
_DATABASES = """
SELECT s.SCHEMA_NAME, CAST(COALESCE(SUM(t.DATA_LENGTH + t.INDEX_LENGTH), 0) AS UNSIGNED),
       CAST(COALESCE(SUM(t.TABLE_TYPE = 'BASE TABLE'), 0) AS UNSIGNED)
FROM information_schema.SCHEMATA s LEFT JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = s.SCHEMA_NAME
WHERE s.SCHEMA_NAME NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
GROUP BY s.SCHEMA_NAME ORDER BY 1
"""
_TABLES = """
SELECT TABLE_NAME, TABLE_ROWS, COALESCE(DATA_LENGTH + INDEX_LENGTH, 0), COALESCE(ENGINE, ''), TABLE_TYPE
FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s ORDER BY 1 LIMIT 5000
"""
_COLUMNS = """
SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE = 'YES', COLUMN_DEFAULT, EXTRA
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION
"""
_INDEXES = """
SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, INDEX_TYPE FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX
"""
_KEYS = """
SELECT k.CONSTRAINT_NAME, k.COLUMN_NAME,
       IF(k.REFERENCED_TABLE_SCHEMA = k.TABLE_SCHEMA, '', CONCAT(k.REFERENCED_TABLE_SCHEMA, '.')),
       k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE
FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r
  ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME
WHERE k.TABLE_SCHEMA = %s AND k.TABLE_NAME = %s AND k.REFERENCED_TABLE_NAME IS NOT NULL
ORDER BY k.CONSTRAINT_NAME, k.ORDINAL_POSITION
"""
_NAMES = """
SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME, ORDINAL_POSITION LIMIT 10000
"""
_USUAL = ("RESTRICT", "NO ACTION")


def databases(connection: Connection) -> list[Database]:
    return [Database(name, int(size), int(tables)) for name, size, tables in ask(connection, _DATABASES)]


def check(connection: Connection, database: str) -> None:
    """Raises NotFound, for a system's database too."""
    found = ask(connection, "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", [database])
    if not found or database.lower() in SYSTEM:
        raise NotFound(f"database {database}")


def tables(connection: Connection, database: str) -> list[Table]:
    check(connection, database)
    return [
        Table(name, "", int(rows) if rows is not None and kind != "VIEW" else None, int(size), engine,
              "view" if "VIEW" in kind else "table")
        for name, rows, size, engine, kind in ask(connection, _TABLES, [database])
    ]  # fmt: skip


def structure(connection: Connection, database: str, table: str) -> Structure:
    """Raises NotFound."""
    found = ask(connection, _COLUMNS, [database, table])
    if not found or database.lower() in SYSTEM:
        raise NotFound(f"table {table} in {database}")
    indexes = [_index(name, rows) for name, rows in _grouped(ask(connection, _INDEXES, [database, table]))]
    primary = next((index.columns for index in indexes if index.primary), ())
    columns = tuple(
        Column(name, kind, bool(nullable), None if default in (None, "NULL") else str(default), name in primary,
               "auto_increment" in extra.lower() or "generated" in extra.lower().replace("default_generated", ""))
        for name, kind, nullable, default, extra in found
    )  # fmt: skip
    keys = [_key(name, rows) for name, rows in _grouped(ask(connection, _KEYS, [database, table]))]
    return Structure(columns, tuple(indexes), tuple(keys), primary)


def columns_by_table(connection: Connection, database: str) -> dict[str, list[str]]:
    found = _grouped(ask(connection, _NAMES, [database]))
    return {name: [row[1] for row in rows] for name, rows in found[:500]}


def _grouped(rows: Iterable[tuple[Any, ...]]) -> list[tuple[str, list[tuple[Any, ...]]]]:
    return [(name, list(group)) for name, group in groupby(rows, key=lambda row: row[0])]


def _index(name: str, rows: list[tuple[Any, ...]]) -> Index:
    columns = tuple(str(row[2]) for row in rows)
    parts = ", ".join(f"{row[2]}({row[3]})" if row[3] else str(row[2]) for row in rows)
    return Index(name, columns, not rows[0][1], name == "PRIMARY", f"{rows[0][4]} ({parts})")


def _key(name: str, rows: list[tuple[Any, ...]]) -> ForeignKey:
    on_delete, on_update = ("" if rule in _USUAL else rule.lower() for rule in rows[0][5:7])
    mine, theirs = tuple(row[1] for row in rows), tuple(row[4] for row in rows)
    return ForeignKey(name, mine, f"{rows[0][2]}{rows[0][3]}", theirs, on_delete, on_update)
