"""What a PostgreSQL server has: databases, tables, columns, indexes, foreign keys. Estimates, never counts."""

from __future__ import annotations

from apps.core.errors import NotFound
from apps.sql.base import Column, ForeignKey, Index, Structure, Table
from apps.sql.postgres.connection import Connection

_DATABASES = """
SELECT datname, CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) ELSE 0 END,
       has_database_privilege(oid, 'CONNECT')
FROM pg_database WHERE NOT datistemplate AND datallowconn AND datname <> %s ORDER BY 1
"""
_OURS = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
_COUNT = f"""
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND {_OURS}
"""  # noqa: S608
_TABLES = f"""
SELECT c.relname, n.nspname, CASE WHEN c.reltuples >= 0 AND c.relkind <> 'v' THEN c.reltuples::bigint END,
       CASE WHEN c.relkind IN ('r', 'm') THEN pg_total_relation_size(c.oid) ELSE 0 END,
       coalesce(a.amname, ''), c.relkind IN ('v', 'm')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am a ON a.oid = c.relam
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {_OURS}
ORDER BY n.nspname <> 'public', 2, 1 LIMIT 5000
"""  # noqa: S608
_RELATION = """
SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
       a.attidentity <> '' OR a.attgenerated <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%%', a.attnum
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_INDEXES = """
SELECT i.relname, x.indisunique, x.indisprimary, pg_get_indexdef(x.indexrelid),
       ARRAY(SELECT pg_get_indexdef(x.indexrelid, k, true) FROM generate_series(1, x.indnkeyatts) AS k),
       ARRAY(SELECT a.attname::text FROM unnest(x.indkey[0:x.indnkeyatts - 1]) WITH ORDINALITY AS u(num, place)
             JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = u.num ORDER BY u.place)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
WHERE x.indrelid = %s ORDER BY NOT x.indisprimary, i.relname
"""
_KEYS = """
SELECT c.conname, CASE WHEN n.nspname = %s THEN t.relname ELSE n.nspname || '.' || t.relname END,
       c.confdeltype, c.confupdtype,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS u(num, place)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = u.num ORDER BY u.place),
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY AS u(num, place)
             JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = u.num ORDER BY u.place)
FROM pg_constraint c JOIN pg_class t ON t.oid = c.confrelid JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE c.conrelid = %s AND c.contype = 'f' ORDER BY c.conname
"""
_NAMES = f"""
SELECT CASE WHEN n.nspname = 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END,
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             ORDER BY a.attnum)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {_OURS} ORDER BY 1 LIMIT 500
"""  # noqa: S608
_ACTIONS = {"a": "", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}


def databases(connection: Connection, hidden: str) -> list[tuple[str, int, bool]]:
    """Name, size, and whether one may connect; `hidden` is left out."""
    return list(connection.execute(_DATABASES, [hidden]))  # type: ignore[arg-type]


def count(connection: Connection) -> int:
    found = connection.execute(_COUNT).fetchone()
    return int(found[0]) if found else 0


def tables(connection: Connection) -> list[Table]:
    return [
        Table(name, schema, rows, size, engine, "view" if view else "table")
        for name, schema, rows, size, engine, view in connection.execute(_TABLES)
    ]


def structure(connection: Connection, schema: str, table: str) -> Structure:
    """Raises NotFound."""
    schema = schema or "public"
    found = connection.execute(_RELATION, [schema, table]).fetchone()
    if found is None:
        raise NotFound(f"table {table} in {schema}")
    oid = found[0]
    indexes, primary = [], ()
    for name, unique, first, definition, parts, names in connection.execute(_INDEXES, [oid]):
        indexes.append(Index(name, tuple(parts), unique, first, definition))
        if first:
            primary = tuple(names)
    columns = tuple(
        Column(name, kind, nullable, default, name in primary, bool(generated))
        for name, kind, nullable, default, generated, _ in connection.execute(_COLUMNS, [oid])
    )
    keys = tuple(
        ForeignKey(name, tuple(mine), there, tuple(theirs), _ACTIONS.get(on_delete, ""), _ACTIONS.get(on_update, ""))
        for name, there, on_delete, on_update, mine, theirs in connection.execute(_KEYS, [schema, oid])
    )
    return Structure(columns, tuple(indexes), keys, primary)


def columns_by_table(connection: Connection) -> dict[str, list[str]]:
    return {name: list(columns) for name, columns in connection.execute(_NAMES)}
