"""Who may only look changes nothing, whatever the statement is: on real servers, as the role the platform makes."""

from __future__ import annotations

import pytest

from apps import sql
from apps.core.errors import UserError
from apps.sql.base import Caps, Server
from tests.sql.conftest import At

FEW = Caps(seconds=3)
WRITES = [
    "INSERT INTO kept VALUES (2, 'x')",
    "UPDATE kept SET b = 'x'",
    "DELETE FROM kept",
    "TRUNCATE TABLE kept",
    "DROP TABLE kept",
    "ALTER TABLE kept ADD COLUMN c int",
    "CREATE TABLE made (a int)",
    "CREATE TEMPORARY TABLE made (a int)",
    "COMMIT; DELETE FROM kept",
    "SELECT 1; DELETE FROM kept",
    "GRANT ALL ON kept TO brainpod_reader",
]
ON_POSTGRES = [
    "WITH gone AS (DELETE FROM kept RETURNING *) SELECT * FROM gone",
    "EXPLAIN ANALYZE DELETE FROM kept",
    "COPY kept TO PROGRAM 'cat > /tmp/brainpod-leak'",
    "COPY kept TO '/tmp/brainpod-leak'",
    "COPY kept FROM PROGRAM 'id'",
    "COPY kept TO STDOUT",
    "SET ROLE brainpod",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "ALTER ROLE brainpod_reader SUPERUSER",
    "ALTER ROLE brainpod_reader PASSWORD 'mine'",
    "ALTER ROLE CURRENT_USER SET default_transaction_read_only = off",
    "DO $$ BEGIN COMMIT; DELETE FROM kept; END $$",
    "DO $$ BEGIN EXECUTE 'DELETE FROM kept'; END $$",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT nextval('counted')",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SELECT * INTO made FROM kept",
    "SELECT * FROM kept FOR UPDATE",
    "LOCK TABLE kept IN ACCESS EXCLUSIVE MODE",
    "CALL wipe()",
    "SELECT wiped()",
]
ON_MARIADB = [
    "SELECT * FROM kept INTO OUTFILE '/tmp/brainpod-leak'",
    "SELECT b FROM kept INTO DUMPFILE '/tmp/brainpod-leak'",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE kept",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE kept",
    "BEGIN NOT ATOMIC COMMIT; DELETE FROM kept; END",
    "EXECUTE IMMEDIATE 'DELETE FROM kept'",
    "EXPLAIN DELETE FROM kept; DELETE FROM kept",
    "ANALYZE DELETE FROM kept",
    "SET ROLE brainpod",
    "SET GLOBAL read_only = 1",
    "REPLACE INTO kept VALUES (1, 'x')",
    "CALL wipe()",
    "SELECT * FROM mysql.user",
    "SELECT * FROM mysql.global_priv",
    "INSTALL SONAME 'x'",
    "LOCK TABLES kept WRITE",
]


@pytest.fixture
def kept(at: At, apps: Server, admin: Server) -> At:
    """A table with a row, and ways around that its owner left open."""
    apps.query(at.database, "CREATE TABLE kept (a int PRIMARY KEY, b text)", read_only=False)
    apps.query(at.database, "INSERT INTO kept VALUES (1, 'first')", read_only=False)
    if at.postgres:
        for statement in (
            "CREATE SEQUENCE counted",
            "GRANT USAGE ON SEQUENCE counted TO PUBLIC",
            "CREATE FUNCTION wiped() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM kept'",
            "CREATE PROCEDURE wipe() LANGUAGE plpgsql AS 'BEGIN COMMIT; DELETE FROM kept; END'",
        ):
            apps.query(at.database, statement, read_only=False)
    else:
        apps.query(at.database, "CREATE PROCEDURE wipe() DELETE FROM kept", read_only=False)
    return at


def same(at: At, apps: Server) -> None:
    assert apps.rows(at.database, "kept").rows == (("1", "first"),)
    assert [table.name for table in apps.tables(at.database)] == ["kept"]


def test_no_statement_writes(kept: At, apps: Server, reader: Server) -> None:
    assert reader.query(kept.database, "SELECT b FROM kept", read_only=True).rows == (("first",),)
    through, refused = [], {}
    for statement in WRITES + (ON_POSTGRES if kept.postgres else ON_MARIADB):
        try:
            through.append((statement, reader.query(kept.database, statement, read_only=True, caps=FEW)))
        except UserError as error:
            refused[statement] = error.code
    assert not through
    assert set(refused.values()) <= {"sql_refused", "sql_timeout"}, refused
    same(kept, apps)


def test_each_of_the_two_walls_stands_alone(kept: At, apps: Server, reader: Server) -> None:
    """The role without the transaction, and the transaction without the role."""
    # MariaDB lets DDL end a transaction that only reads: there it is the role that keeps it out.
    statements = ["DELETE FROM kept", "UPDATE kept SET b = 'x'", *(["DROP TABLE kept"] if kept.postgres else [])]
    for statement in statements:
        with pytest.raises(UserError, match=r"(?i)denied|permission|owner|read.only"):
            reader.query(kept.database, statement, read_only=False)
        with pytest.raises(UserError, match=r"(?i)read.only"):
            apps.query(kept.database, statement, read_only=True)
    same(kept, apps)


def test_what_ends_the_transaction_ends_nothing_else(kept: At, apps: Server, reader: Server) -> None:
    """A statement has a session of its own: what one sets free, the next does not find."""
    for statement in ("COMMIT", "ROLLBACK", "SET TRANSACTION READ WRITE", "SET autocommit = 1", "RESET ROLE"):
        try:
            reader.query(kept.database, statement, read_only=True)
        except UserError:
            pass
        with pytest.raises(UserError):
            reader.query(kept.database, "DELETE FROM kept", read_only=True)
    same(kept, apps)


def test_explain_does_nothing(kept: At, apps: Server) -> None:
    assert apps.explain(kept.database, "SELECT * FROM kept").rows
    for statement in ("ANALYZE DELETE FROM kept", "(ANALYZE) DELETE FROM kept", "SELECT 1; DELETE FROM kept"):
        with pytest.raises(UserError):
            apps.explain(kept.database, statement)
    same(kept, apps)


def test_the_reader_is_made_once_and_mended(kept: At, admin: Server) -> None:
    with sql.open_reader(kept.admin, sql.reader_of(kept.admin), kept.database) as first:
        first.rows(kept.database, "kept")
    admin.change_password("brainpod_reader", "somebody changed this")
    with sql.open_reader(kept.admin, sql.reader_of(kept.admin), kept.database) as again:
        assert again.rows(kept.database, "kept").rows
    if kept.postgres:
        rows = admin.query("", "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles "
                               "WHERE rolname = 'brainpod_reader'", read_only=True).rows  # fmt: skip
        assert rows == ((False, False, False),)


def test_a_table_made_later_is_read_too(kept: At, apps: Server, reader: Server) -> None:
    apps.query(kept.database, "CREATE TABLE later (a int)", read_only=False)
    assert reader.rows(kept.database, "later").rows == ()
    apps.query(kept.database, "DROP TABLE later", read_only=False)


def test_what_others_made_is_read_from_the_next_time_on(kept: At, admin: Server) -> None:
    """Neither the database's owner nor the platform made it, in a schema that nobody was told of."""
    if not kept.postgres:
        pytest.skip("there rights are by database")
    with sql.open_reader(kept.admin, sql.reader_of(kept.admin), kept.database):
        pass
    for statement in ("CREATE SCHEMA theirs", "CREATE TABLE theirs.later (a int)", "CREATE ROLE theirs_alone",
                      "ALTER SCHEMA theirs OWNER TO theirs_alone", "ALTER TABLE theirs.later OWNER TO theirs_alone",
                      "REVOKE ALL ON SCHEMA theirs FROM brainpod_reader"):  # fmt: skip
        admin.query(kept.database, statement, read_only=False)
    try:
        with sql.open_reader(kept.admin, sql.reader_of(kept.admin), kept.database) as reader:
            assert reader.rows(kept.database, "later", schema="theirs").rows == ()
    finally:
        for statement in ("DROP SCHEMA theirs CASCADE", "DROP ROLE theirs_alone"):
            admin.query(kept.database, statement, read_only=False)


def test_the_hashes_of_passwords_are_not_read(kept: At, reader: Server) -> None:
    catalogue = "SELECT rolpassword FROM pg_authid" if kept.postgres else "SELECT authentication_string FROM mysql.user"
    with pytest.raises(UserError, match=r"(?i)denied"):
        reader.query(kept.database, catalogue, read_only=True)


def test_one_reader_reaches_only_databases_it_was_let_into(kept: At, admin: Server) -> None:
    """On MariaDB rights are by database; on PostgreSQL it has to be let in besides."""
    admin.create_database("of others")
    try:
        with sql.open(sql.reader_of(kept.admin)) as reader:
            with pytest.raises(UserError):
                reader.query("of others", "SELECT 1", read_only=True)
    finally:
        admin.delete_database("of others")


def test_files_of_the_server_are_not_read(kept: At, reader: Server) -> None:
    if not kept.postgres:
        found = reader.query(kept.database, "SELECT LOAD_FILE('/etc/passwd')", read_only=True)
        assert found.rows == ((None,),)
