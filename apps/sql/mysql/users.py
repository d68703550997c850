"""Users of a MySQL or MariaDB server and what they may do. Those made here come from anywhere: name@'%'."""

from __future__ import annotations

from collections.abc import Sequence

from apps.core.errors import NotFound
from apps.sql import asked
from apps.sql.base import Grant, User
from apps.sql.mysql import structure
from apps.sql.mysql.connection import Connection, ask, quoted

PRIVILEGES = (
    "ALL", "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "CREATE VIEW",
    "SHOW VIEW", "TRIGGER", "EXECUTE", "EVENT", "CREATE ROUTINE", "ALTER ROUTINE", "CREATE TEMPORARY TABLES",
    "LOCK TABLES",
)  # fmt: skip
SYSTEM = ("mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema", "")
_LONGEST = 32  # characters that MySQL allows a user; MariaDB more
_USERS = "SELECT User, Host, Super_priv = 'Y' FROM mysql.user ORDER BY 1, 2"
_ON_DATABASES = """
SELECT TABLE_SCHEMA, PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = %s
UNION ALL SELECT '', PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES
WHERE GRANTEE = %s AND PRIVILEGE_TYPE <> 'USAGE'
"""


def users(connection: Connection) -> list[User]:
    return [User(_text(name), _text(host), bool(above)) for name, host, above in ask(connection, _USERS)
            if _text(name) not in SYSTEM]  # fmt: skip


def create(connection: Connection, name: str, password: str) -> None:
    asked.name("name", name, _LONGEST)
    asked.password(password)
    ask(connection, "CREATE USER %s@'%%' IDENTIFIED BY %s", [name, password])


def change_password(connection: Connection, name: str, password: str) -> None:
    asked.password(password)
    for host in hosts(connection, name):
        ask(connection, "ALTER USER %s@%s IDENTIFIED BY %s", [name, host, password])


def delete(connection: Connection, name: str) -> None:
    for host in hosts(connection, name):
        ask(connection, "DROP USER %s@%s", [name, host])
    for (number,) in ask(connection, "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = %s", [name]):
        try:
            ask(connection, f"KILL CONNECTION {int(number):d}")
        except Exception as error:  # it has ended meanwhile
            if not getattr(error, "args", ()) or error.args[0] != 1094:
                raise


def hosts(connection: Connection, name: str) -> list[str]:
    """Raises NotFound."""
    found = [_text(row[0]) for row in ask(connection, "SELECT Host FROM mysql.user WHERE User = %s", [name])]
    if not found or name in SYSTEM:
        raise NotFound(f"user {name}")
    return found


def grants(connection: Connection, name: str) -> list[Grant]:
    found: dict[str, set[str]] = {}
    for host in hosts(connection, name):
        grantee = f"'{name}'@'{host}'"
        for database, privilege in ask(connection, _ON_DATABASES, [grantee, grantee]):
            found.setdefault(_plain(_text(database)), set()).add(_text(privilege))
    every = set(PRIVILEGES) - {"ALL"}
    return [
        Grant(database, ("ALL",) if every <= has else tuple(sorted(has))) for database, has in sorted(found.items())
    ]


def grant(connection: Connection, name: str, database: str, privileges: Sequence[str]) -> None:
    wanted = asked.privileges(privileges, PRIVILEGES)
    structure.check(connection, database)
    for host in hosts(connection, name):
        ask(connection, f"GRANT {', '.join(wanted)} ON {_pattern(database)}.* TO %s@%s", [name, host])


def revoke(connection: Connection, name: str, database: str, privileges: Sequence[str]) -> None:
    wanted = asked.privileges(privileges, PRIVILEGES)
    structure.check(connection, database)
    has = {privilege for one in grants(connection, name) if one.database == database for privilege in one.privileges}
    for host in hosts(connection, name) if has else []:
        for pattern in (_pattern(database), quoted(database)):  # as grants are written, here and by others
            try:
                ask(connection, f"REVOKE {', '.join(wanted)} ON {pattern}.* FROM %s@%s", [name, host])
            except Exception as error:
                if not getattr(error, "args", ()) or error.args[0] != 1141:  # there is no such grant
                    raise


def ensure_reader(connection: Connection, name: str, password: str, database: str) -> None:
    ask(connection, "CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", [name, password])
    ask(connection, "ALTER USER %s@'%%' IDENTIFIED BY %s WITH MAX_USER_CONNECTIONS 10", [name, password])
    names = [database] if database else [one.name for one in structure.databases(connection)]
    for one in names:
        structure.check(connection, one)
        ask(connection, f"GRANT SELECT, SHOW VIEW ON {_pattern(one)}.* TO %s@'%%'", [name])


def _pattern(database: str) -> str:
    """In a grant the name of a database is a pattern."""
    return quoted(database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%"), longest=128)


def _plain(pattern: str) -> str:
    return pattern.replace("\\_", "_").replace("\\%", "%").replace("\\\\", "\\")


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
