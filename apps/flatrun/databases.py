"""Database servers, whoever runs them: /api/databases. Every request says where the server is and who connects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from apps import sql
from apps.audit import trail
from apps.core.errors import Detail, Invalid
from apps.flatrun.asked import SQL, names, number, text, where
from apps.flatrun.door import Request, endpoint
from apps.sql.base import ROWS, Column, Server, Table

log = structlog.get_logger(__name__)
Said = tuple[int, dict[str, Any]]
ANYWHERE = "%"


def _asked(request: Request, what: Callable[[Server], Any]) -> Any:
    """`what`, of the server that the request names."""
    at = where(request.sent)
    with sql.open(at) as server:
        said = what(server)
    trail.note("database.use", by=request.user, name=at.host, did=request.path, as_user=at.username)
    log.info("flatrun_database", path=request.path, host=at.host, as_user=at.username, by=request.user.pk)
    return said


@endpoint("POST", body=True, failed={"success": False})
def test(request: Request) -> Said:
    _asked(request, lambda server: server.ping())
    return 200, {"success": True, "message": "Connection successful"}


@endpoint("POST", body=True)
def databases(request: Request) -> Said:
    def every(server: Server) -> dict[str, Any]:
        return {
            "databases": [
                {"name": one.name, "size": _size(one.size), "tables": one.tables or 0} for one in server.databases()
            ]
        }

    return 200, _asked(request, every)


@endpoint("POST", body=True)
def tables(request: Request) -> Said:
    database = text(request.sent, "database")

    def every(server: Server) -> dict[str, Any]:
        found = server.tables(database)
        return {
            "tables": [
                {"name": _full(one), "rows": one.rows or 0, "size": _size(one.size), "engine": one.engine}
                for one in found
            ]
        }

    return 200, _asked(request, every)


@endpoint("POST", body=True)
def data(request: Request) -> Said:
    database, schema, table = _table(request)
    limit = number(request.sent, "limit", 100, ROWS)
    offset = number(request.sent, "offset", 0, 1_000_000, least=0)

    def page(server: Server) -> dict[str, Any]:
        found = server.rows(database, table, schema=schema, limit=limit, offset=offset)
        rows = [list(row) for row in found.rows]
        return {"columns": [column.name for column in found.columns], "rows": rows, "count": len(rows)}

    return 200, _asked(request, page)


@endpoint("POST", body=True)
def schema(request: Request) -> Said:
    database, schema, table = _table(request)

    def described(server: Server) -> dict[str, Any]:
        found = server.structure(database, table, schema)
        unique = {one.columns[0] for one in found.indexes if one.unique and len(one.columns) == 1}
        indexes = [
            {"name": one.name, "columns": list(one.columns), "unique": one.unique, "primary": one.primary}
            for one in found.indexes
        ]
        return {"columns": [_column(one, unique) for one in found.columns], "indexes": indexes}

    return 200, _asked(request, described)


@endpoint("POST", body=True)
def query(request: Request) -> Said:
    """One statement. `read_only`: in a read-only transaction."""
    database, statement = text(request.sent, "database"), text(request.sent, "query", longest=SQL)
    read_only = request.sent.get("read_only", False) is True

    def result(server: Server) -> dict[str, Any]:
        found = server.query(database, statement, read_only=read_only)
        rows = [list(row) for row in found.rows]
        count = len(rows) if found.columns else found.affected or 0
        notes = {"notes": list(found.notes)} if found.notes else {}
        return {"columns": list(found.columns), "rows": rows, "count": count, **notes}

    return 200, _asked(request, result)


@endpoint("POST", body=True)
def create(request: Request) -> Said:
    name = text(request.sent, "db_name")
    _asked(request, lambda server: server.create_database(name))
    return 201, {"message": "Database created", "name": name}


@endpoint("POST", body=True)
def delete(request: Request) -> Said:
    name = text(request.sent, "db_name")
    _asked(request, lambda server: server.delete_database(name))
    return 200, {"message": "Database deleted", "name": name}


@endpoint("POST", body=True)
def users(request: Request) -> Said:
    found = _asked(request, lambda server: server.users())
    return 200, {"users": [_user(one.name, one.host) for one in found]}


@endpoint("POST", body=True)
def users_by_database(request: Request) -> Said:
    """Those who have been granted something on it, or own it."""
    database = text(request.sent, "database")

    def granted(server: Server) -> dict[str, Any]:
        found = [
            one
            for one in server.users()
            if one.superuser or any(grant.database in ("", database) for grant in server.grants(one.name))
        ]
        return {"users": [_user(one.name, one.host) for one in found]}

    return 200, _asked(request, granted)


@endpoint("POST", body=True)
def user_create(request: Request) -> Said:
    name, password = _target(request), text(request.sent, "target_password")
    _asked(request, lambda server: server.create_user(name, password))
    return 201, {"message": "User created", "username": name}


@endpoint("POST", body=True)
def user_delete(request: Request) -> Said:
    name = _target(request)
    _asked(request, lambda server: server.delete_user(name))
    return 200, {"message": "User deleted", "username": name}


@endpoint("POST", body=True)
def grant(request: Request) -> Said:
    name, database = _target(request), text(request.sent, "target_database")
    privileges = names(request.sent, "privileges", ["ALL"])
    _asked(request, lambda server: server.grant(name, database, privileges))
    return 200, {"message": "Privileges granted", "username": name, "database": database}


@endpoint("POST", body=True)
def revoke(request: Request) -> Said:
    name, database = _target(request), text(request.sent, "target_database")
    privileges = names(request.sent, "privileges", ["ALL"])
    _asked(request, lambda server: server.revoke(name, database, privileges))
    return 200, {"message": "Privileges revoked", "username": name, "database": database}


def _target(request: Request) -> str:
    """Users are the same wherever they come from."""
    if text(request.sent, "target_host", needed=False) not in ("", ANYWHERE):
        raise Invalid([Detail("target_host", f"must be {ANYWHERE}, or left out: users may come from anywhere.")])
    return text(request.sent, "target_username")


def _table(request: Request) -> tuple[str, str, str]:
    """Database, schema and table. Without `schema`, `sales.orders` is a table of the schema `sales`, in PostgreSQL."""
    sent = request.sent
    database, table = text(sent, "database"), text(sent, "table")
    schema = text(sent, "schema", needed=False)
    if not schema and "." in table and text(sent, "type").lower().startswith("postgres"):
        schema, _, table = table.partition(".")
    return database, schema, table


def _full(table: Table) -> str:
    return table.name if table.schema in ("", "public") else f"{table.schema}.{table.name}"


def _column(column: Column, unique: set[str]) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "nullable": column.nullable,
        "default": column.default,
        "key": "PRI" if column.primary else "UNI" if column.name in unique else "",
        "extra": "generated" if column.generated else "",
    }


def _user(name: str, host: str) -> dict[str, str]:
    return {"name": name, "host": host}


def _size(count: int) -> str:
    """Bytes in words: "16.00 KB"."""
    amount, units = float(count), ["B", "KB", "MB", "GB", "TB"]
    while amount >= 1024 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    return f"{amount:.2f} {units[0]}" if units[0] != "B" else f"{count} B"
