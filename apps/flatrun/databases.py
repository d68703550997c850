"""Database servers, whoever runs them: /api/databases. Every request says where the server is and who connects.

What is done there is done as on the dashboard (apps/databases): the same is protected, and all of it is in the book.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.core.errors import Detail, Invalid
from apps.databases import actions
from apps.databases.book import recorded
from apps.flatrun.asked import SQL, names, number, target, text
from apps.flatrun.door import Request, endpoint
from apps.sql.base import ROWS, Column, Server, Table

Said = tuple[int, dict[str, Any]]
ANYWHERE = "%"


def _looked(request: Request, kind: str, what: Callable[[Server], Any], *, database: str = "", words: str = "") -> Any:
    """`what`, of the server that the request names; in the book, whatever comes of it."""
    at = target(request.sent)
    with recorded(target=at, by=request.user, kind=kind, database=database, words=words or kind):
        with at.open_admin() as server:
            return what(server)


@endpoint("POST", body=True, failed={"success": False})
def test(request: Request) -> Said:
    _looked(request, "test", lambda server: server.ping())
    return 200, {"success": True, "message": "Connection successful"}


@endpoint("POST", body=True)
def databases(request: Request) -> Said:
    def every(server: Server) -> dict[str, Any]:
        return {
            "databases": [
                {"name": one.name, "size": _size(one.size), "tables": one.tables or 0} for one in server.databases()
            ]
        }

    return 200, _looked(request, "databases", every)


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

    return 200, _looked(request, "tables", every, database=database)


@endpoint("POST", body=True)
def data(request: Request) -> Said:
    database, schema, table = _table(request)
    limit = number(request.sent, "limit", 100, ROWS)
    offset = number(request.sent, "offset", 0, 1_000_000, least=0)

    def page(server: Server) -> dict[str, Any]:
        found = server.rows(database, table, schema=schema, limit=limit, offset=offset)
        rows = [list(row) for row in found.rows]
        return {"columns": [column.name for column in found.columns], "rows": rows, "count": len(rows)}

    return 200, _looked(request, "rows", page, database=database, words=table)


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

    return 200, _looked(request, "structure", described, database=database, words=table)


@endpoint("POST", body=True)
def query(request: Request) -> Said:
    """One statement. `read_only`: in a read-only transaction, and as who may only read if nobody else is named."""
    database, statement = text(request.sent, "database"), text(request.sent, "query", longest=SQL)
    write = request.sent.get("read_only", False) is not True
    found = actions.run(target=target(request.sent), by=request.user, write=write, database=database, text=statement)
    rows = [list(row) for row in found.rows]
    count = len(rows) if found.columns else found.affected or 0
    notes = {"notes": list(found.notes)} if found.notes else {}
    return 200, {"columns": list(found.columns), "rows": rows, "count": count, **notes}


@endpoint("POST", body=True)
def create(request: Request) -> Said:
    name = text(request.sent, "db_name")
    actions.create_database(target=target(request.sent), by=request.user, name=name)
    return 201, {"message": "Database created", "name": name}


@endpoint("POST", body=True)
def delete(request: Request) -> Said:
    name = text(request.sent, "db_name")
    actions.delete_database(target=target(request.sent), by=request.user, name=name)
    return 200, {"message": "Database deleted", "name": name}


@endpoint("POST", body=True)
def users(request: Request) -> Said:
    found = _looked(request, "users", lambda server: server.users())
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

    return 200, _looked(request, "users", granted, database=database)


@endpoint("POST", body=True)
def user_create(request: Request) -> Said:
    name, password = _target(request), text(request.sent, "target_password")
    actions.create_user(target=target(request.sent), by=request.user, name=name, password=password)
    return 201, {"message": "User created", "username": name}


@endpoint("POST", body=True)
def user_delete(request: Request) -> Said:
    name = _target(request)
    actions.delete_user(target=target(request.sent), by=request.user, name=name)
    return 200, {"message": "User deleted", "username": name}


@endpoint("POST", body=True)
def grant(request: Request) -> Said:
    name, database = _privileges(request, granted=True)
    return 200, {"message": "Privileges granted", "username": name, "database": database}


@endpoint("POST", body=True)
def revoke(request: Request) -> Said:
    name, database = _privileges(request, granted=False)
    return 200, {"message": "Privileges revoked", "username": name, "database": database}


def _privileges(request: Request, *, granted: bool) -> tuple[str, str]:
    """Of whom they were changed, and on which database."""
    name, database = _target(request), text(request.sent, "target_database")
    privileges = names(request.sent, "privileges", ["ALL"])
    actions.change_privileges(
        target=target(request.sent), by=request.user, name=name, database=database, privileges=privileges,
        granted=granted,
    )  # fmt: skip
    return name, database


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
