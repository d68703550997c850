"""Roles of a PostgreSQL server, what they may do, and its databases made and deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import LiteralString, cast

from psycopg import sql

from apps.core.errors import NotFound
from apps.sql import asked
from apps.sql.base import Grant, User
from apps.sql.postgres.connection import Connection

_ON_DATABASE = ("CONNECT", "CREATE", "TEMPORARY")
_ON_TABLES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
PRIVILEGES = ("ALL", *_ON_TABLES, *_ON_DATABASE)
_ON_SEQUENCES = {"INSERT": "USAGE", "UPDATE": "UPDATE", "SELECT": "SELECT"}
_USERS = "SELECT rolname, rolsuper FROM pg_roles WHERE rolcanlogin AND rolname NOT LIKE 'pg\\_%' ORDER BY 1"
_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
_GRANTED = """
SELECT DISTINCT x.privilege_type FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL aclexplode(c.relacl) x JOIN pg_roles r ON r.oid = x.grantee
WHERE r.rolname = %(user)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname NOT LIKE 'pg\\_%%' AND c.relowner <> r.oid
UNION SELECT DISTINCT x.privilege_type FROM pg_default_acl d
  CROSS JOIN LATERAL aclexplode(d.defaclacl) x JOIN pg_roles r ON r.oid = x.grantee
WHERE r.rolname = %(user)s AND d.defaclobjtype = 'r' AND d.defaclrole <> r.oid
UNION SELECT x.privilege_type FROM pg_database b CROSS JOIN LATERAL aclexplode(b.datacl) x
  JOIN pg_roles r ON r.oid = x.grantee
WHERE r.rolname = %(user)s AND b.datname = current_database() AND b.datdba <> r.oid
"""


# Tables of people who were let in later: nobody's default privileges speak of those.
_UNREAD = """
SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')) LIMIT 1
"""


def users(connection: Connection) -> list[User]:
    return [User(name, superuser=superuser) for name, superuser in connection.execute(_USERS)]


def create(connection: Connection, name: str, password: str) -> None:
    asked.name("name", name)
    asked.password(password)
    connection.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), _sealed(connection, name, password))
    )


def change_password(connection: Connection, name: str, password: str) -> None:
    asked.password(password)
    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), _sealed(connection, name, password))
    )


def ensure_reader(connection: Connection, name: str, password: str, database: str) -> None:
    """For a role that may make roles, or that may at least grant what the reader is given."""
    role = sql.Identifier(name)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(7011214, 1)")  # of two at once, one waits
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        connection.execute(
            sql.SQL(
                "ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 10 PASSWORD {}"
            ).format(role, _sealed(connection, name, password))
        )
        connection.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role))
    # Not pg_read_all_data, which reads the catalogue's hashes of passwords as well.
    grant(connection, name, database, ["SELECT"])
    for maker in _makers(connection, name):
        _say(
            connection,
            "ALTER DEFAULT PRIVILEGES FOR ROLE {name} GRANT {what} ON SCHEMAS TO {who}",
            ["USAGE"],
            role,
            name=maker,
        )


def reads_all(connection: Connection) -> bool:
    """Whether who is connected may look at every table there is in this database."""
    return connection.execute(_UNREAD).fetchone() is None


def delete_parts(connection: Connection, name: str) -> None:
    """What a role has in this database: becomes that of who is connected, and its privileges are gone."""
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None:
        raise NotFound(f"user {name}")
    connection.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(name)))
    connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))


def delete(connection: Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [name])


def granted(connection: Connection, user: str, database: str) -> Grant | None:
    """In the database of `connection`."""
    owner = connection.execute(
        "SELECT 1 FROM pg_database b JOIN pg_roles r ON r.oid = b.datdba "
        "WHERE b.datname = current_database() AND r.rolname = %s", [user]
    ).fetchone()  # fmt: skip
    found = {row[0] for row in connection.execute(_GRANTED, {"user": user})}
    ordered = tuple(one for one in PRIVILEGES if one in found)
    return Grant(database, ordered, owner is not None) if ordered or owner else None


def grant(connection: Connection, user: str, database: str, privileges: Sequence[str]) -> None:
    """On all there is in the database of `connection`, and on what its owner and who grants make later."""
    wanted = asked.privileges(privileges, PRIVILEGES)
    who = sql.Identifier(user)
    with connection.transaction():
        on_database = {"CONNECT", *(_ON_DATABASE if wanted == ["ALL"] else (it for it in wanted if it in _ON_DATABASE))}
        _say(connection, "GRANT {what} ON DATABASE {name} TO {who}", on_database, who, name=sql.Identifier(database))
        tables = _ON_TABLES if wanted == ["ALL"] else [it for it in wanted if it in _ON_TABLES]
        for schema in _schemas(connection):
            usage = {"USAGE", "CREATE"} if wanted == ["ALL"] else {"USAGE"}
            _say(connection, "GRANT {what} ON SCHEMA {name} TO {who}", usage, who, name=schema)
            for kind, what in _kinds(tables):
                _say(connection, f"GRANT {{what}} ON ALL {kind} IN SCHEMA {{name}} TO {{who}}", what, who, name=schema)
        for maker in _makers(connection, user):
            for kind, what in _kinds(tables):
                words = f"ALTER DEFAULT PRIVILEGES FOR ROLE {{name}} GRANT {{what}} ON {kind} TO {{who}}"
                _say(connection, words, what, who, name=maker)


def revoke(connection: Connection, user: str, database: str, privileges: Sequence[str]) -> None:
    wanted = asked.privileges(privileges, PRIVILEGES)
    who = sql.Identifier(user)
    with connection.transaction():
        on_database = _ON_DATABASE if wanted == ["ALL"] else [it for it in wanted if it in _ON_DATABASE]
        name = sql.Identifier(database)
        _say(connection, "REVOKE {what} ON DATABASE {name} FROM {who}", on_database, who, name=name)
        tables = _ON_TABLES if wanted == ["ALL"] else [it for it in wanted if it in _ON_TABLES]
        for schema in _schemas(connection):
            for kind, what in _kinds(tables):
                words = f"REVOKE {{what}} ON ALL {kind} IN SCHEMA {{name}} FROM {{who}}"
                _say(connection, words, what, who, name=schema)
            if wanted == ["ALL"]:
                _say(connection, "REVOKE {what} ON SCHEMA {name} FROM {who}", ("USAGE", "CREATE"), who, name=schema)
        for maker in _makers(connection, user):
            for kind, what in _kinds(tables):
                words = f"ALTER DEFAULT PRIVILEGES FOR ROLE {{name}} REVOKE {{what}} ON {kind} FROM {{who}}"
                _say(connection, words, what, who, name=maker)


def _kinds(tables: Sequence[str]) -> list[tuple[str, set[str]]]:
    found = [("TABLES", set(tables)), ("SEQUENCES", {_ON_SEQUENCES[it] for it in tables if it in _ON_SEQUENCES})]
    return [(kind, what) for kind, what in found if what]


def _schemas(connection: Connection) -> list[sql.Identifier]:
    return [sql.Identifier(row[0]) for row in connection.execute(_SCHEMAS).fetchall()]


def _makers(connection: Connection, user: str) -> list[sql.Identifier]:
    """Whose later tables count too: the database's owner and who is connected, where one may say so for them."""
    found = connection.execute(
        "SELECT DISTINCT r.rolname FROM pg_roles r WHERE r.rolname <> %s AND pg_has_role(r.oid, 'MEMBER') AND "
        "(r.rolname = current_user OR r.oid = (SELECT datdba FROM pg_database WHERE datname = current_database()))",
        [user],
    )
    return [sql.Identifier(row[0]) for row in found.fetchall()]


def _say(connection: Connection, words: str, what: Iterable[str], who: sql.Identifier, **name: sql.Identifier) -> None:
    """`words` and `what` are of this module."""
    listed = sql.SQL(cast(LiteralString, ", ".join(sorted(what))))
    if list(what):
        connection.execute(sql.SQL(cast(LiteralString, words)).format(what=listed, who=who, **name))


def _sealed(connection: Connection, name: str, password: str) -> sql.Literal:
    """What the server keeps of it: the password itself is sent to no server and stands in no log of one."""
    return sql.Literal(connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode())
