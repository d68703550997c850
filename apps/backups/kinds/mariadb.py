"""MariaDB: SQL of one snapshot, tables first; loaded beside, then every table renamed in one statement.

What is no table (views, triggers, routines, events) stands at the end, after MARK: tables with triggers cannot be
renamed into another database, so it is made again there. Sequences are tables, to MariaDB as well.

How an exchange is undone is noted on the server before it begins, and forgotten once it is done: whoever finds a note
puts back what was there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress

import pymysql
from pymysql.cursors import Cursor

from apps.backups.kinds.base import WAIT, At, Loaded, Rows
from apps.backups.kinds.programs import program, started
from apps.backups.kinds.streams import Blocks, UpTo
from apps.backups.sealing import BLOCK, Readable
from apps.core.errors import PlatformError
from apps.core.failpoints import failpoint
from apps.servers.base import NAME

MARK = b"\n-- brainpod: what is no table\n"
DEFINER = re.compile(rb"DEFINER=`(?:" + NAME.encode() + rb"|p[0-9a-z]{16}_[0-9a-f]{12})`@`%`")  # shared_name
TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = %s AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') ORDER BY 1
"""
NOTE = "brainpod exchange"  # the table of the note
Move = tuple[str, str, str]  # table, from, to
OTHERS = {
    "VIEW": "SELECT table_name FROM information_schema.views WHERE table_schema = %s",
    "TRIGGER": "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = %s",
    "PROCEDURE": "SELECT routine_name FROM information_schema.routines"
    " WHERE routine_schema = %s AND routine_type = 'PROCEDURE'",
    "FUNCTION": "SELECT routine_name FROM information_schema.routines"
    " WHERE routine_schema = %s AND routine_type = 'FUNCTION'",
    "EVENT": "SELECT event_name FROM information_schema.events WHERE event_schema = %s",
}


class MariaDB:
    @contextmanager
    def dump(self, at: At) -> Iterator[MariaDump]:
        with connected(at, at.database) as connection, connection.cursor() as cursor:
            tables, others = _commands(at, cursor)
            before = _counted_at_once(cursor, at.database)
            with closing(_blocks(at, tables, others)) as blocks:
                yield MariaDump(Blocks(blocks), cursor, at.database, before)

    def load(self, at: At, stream: Readable, scratch: str, step: Callable[[str], None]) -> Loaded:
        with connected(at) as connection, connection.cursor() as cursor:
            for schema in (scratch, _old(scratch)):
                cursor.execute(f"CREATE DATABASE {quoted(schema)} CHARACTER SET utf8mb4")
            if at.shared:
                cursor.execute(f"GRANT ALL ON {_exactly(scratch)}.* TO %s@'%%'", [at.user])
        step("Loading it beside what is there")
        tables = UpTo(stream, MARK)
        _run(at, tables, scratch)
        step("Counting its rows")
        with connected(at, scratch) as connection, connection.cursor() as cursor:
            return Loaded(counted(cursor, scratch), _of(at.user, tables.rest()))

    def swap(self, at: At, scratch: str, loaded: Loaded) -> None:
        """All tables change places at once. Should it not come to its end, `drop` puts back what was there."""
        with connected(at, at.database) as connection, connection.cursor() as cursor:
            _, others = _commands(at, cursor)
            with closing(_blocks(at, (), others)) as blocks:
                before = b"".join(blocks)
            moves = [(table, at.database, _old(scratch)) for table in _tables(cursor, at.database)]
            moves += [(table, scratch, at.database) for table in _tables(cursor, scratch)]
            _take_note(cursor, scratch, before, moves)
            failpoint("exchange.noted", at.database)
            _drop_others(cursor, at.database)
            failpoint("exchange.apart", at.database)
            _rename(cursor, moves)
            failpoint("exchange.renamed", at.database)
            _run(at, _whole(loaded.rest), at.database)
            failpoint("exchange.whole", at.database)
            _forget(cursor, scratch)

    def drop(self, at: At, scratch: str) -> None:
        with connected(at) as connection, connection.cursor() as cursor:
            _undo(at, cursor, scratch)
            if at.shared:
                with suppress(pymysql.OperationalError):  # there may be no such grant
                    cursor.execute(f"REVOKE ALL ON {_exactly(scratch)}.* FROM %s@'%%'", [at.user])
            for schema in (scratch, _old(scratch)):
                cursor.execute(f"DROP DATABASE IF EXISTS {quoted(schema)}")


class MariaDump:
    extension = "sql"

    def __init__(self, blocks: Blocks, cursor: Cursor, database: str, before: Rows) -> None:
        self.read = blocks.read
        self._cursor, self._database, self._before = cursor, database, before

    def finish(self) -> Rows:
        """Two counts: nothing but the dump itself sees its snapshot."""
        before, after = self._before, _counted_at_once(self._cursor, self._database)
        return {
            name: (min(before[name][0], after[name][0]), max(before[name][1], after[name][1]))
            for name in before.keys() & after.keys()
        }


@contextmanager
def connected(at: At, database: str | None = None) -> Iterator[pymysql.Connection[Cursor]]:
    """As the platform's own user. Raises PlatformError("backup_database_failed")."""
    try:
        with pymysql.connect(
            host=at.host, port=at.port, user=at.admin, password=at.admin_password, database=database,
            charset="utf8mb4", connect_timeout=WAIT, autocommit=True,
        ) as connection:  # fmt: skip
            yield connection
    except pymysql.Error as error:
        said = str(error.args[1]) if len(error.args) > 1 else type(error).__name__
        raise PlatformError("backup_database_failed", f"MariaDB: {said}."[:400]) from None


def counted(cursor: Cursor, schema: str) -> Rows:
    found: Rows = {}
    for table in _tables(cursor, schema):
        cursor.execute(f"SELECT count(*) FROM {quoted(schema)}.{quoted(table)}")  # noqa: S608 - quoted
        row = cursor.fetchone()
        assert row is not None
        found[table] = (row[0], row[0])
    return found


def quoted(name: str) -> str:
    """PyMySQL has no quoting of identifiers; this is MariaDB's whole rule for them."""
    return "`" + name.replace("`", "``") + "`"


def _of(user: str, text: bytes) -> bytes:
    """What is no table belongs to who had the database when it was backed up: another pod, or on another server."""
    return DEFINER.sub(b"DEFINER=`" + user.encode() + b"`@`%`", text)


def _exactly(schema: str) -> str:
    """Quoted for a GRANT, where some letters of a database's name stand for others."""
    return quoted(schema.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%"))


def _counted_at_once(cursor: Cursor, schema: str) -> Rows:
    cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    try:
        return counted(cursor, schema)
    finally:
        cursor.execute("ROLLBACK")


def _commands(at: At, cursor: Cursor) -> tuple[list[str], list[list[str]]]:
    """What writes the tables, and what writes the rest."""
    tool = program(at.tools, "mariadb-dump", at.server.package)
    way = [tool, *_way(at, at.admin), "--skip-comments", "--default-character-set=utf8mb4", "--hex-blob"]
    views = _names(cursor, OTHERS["VIEW"], at.database)
    tables = [
        *way, "--single-transaction", "--quick", "--skip-lock-tables", "--skip-triggers", "--no-autocommit",
        "--dump-history",  # what tables with system versioning remember
        *(f"--ignore-table={at.database}.{view}" for view in views), at.database,
    ]  # fmt: skip
    plain = [*way, "--no-data", "--skip-opt"]
    others = [[*plain, "--no-create-info", "--triggers", "--routines", "--events", at.database]]
    if views:
        others.append([*plain, "--skip-triggers", at.database, *views])
    return tables, others


def _blocks(at: At, tables: Sequence[str], others: Sequence[Sequence[str]]) -> Generator[bytes, None, None]:
    """What the programs write, one after the other; `tables` may be none."""
    for number, command in enumerate((tables, *others)):
        if number == 1 and tables:
            yield MARK
        if not command:
            continue
        with started(command, {"MYSQL_PWD": at.admin_password}, secrets=[at.admin_password]) as running:
            while block := running.output.read(BLOCK):
                yield block
            running.ended()


def _run(at: At, stream: Readable, database: str) -> None:
    """As the platform's own user; where others have databases as the one whose it is, who may do nothing elsewhere."""
    user, password = (at.user, at.password) if at.shared else (at.admin, at.admin_password)
    tool = program(at.tools, "mariadb", at.server.package)
    command = [tool, *_way(at, user), "--batch", "--binary-mode", "--default-character-set=utf8mb4", database]
    with started(command, {"MYSQL_PWD": password}, secrets=[password], feeds=True) as running:
        running.feed(stream)


def _way(at: At, user: str) -> list[str]:
    return [
        "--no-defaults",
        f"--host={at.host}",
        f"--port={at.port}",
        f"--user={user}",
        "--skip-ssl",
    ]


def _whole(text: bytes) -> Readable:
    return Blocks(iter((text,) if text else ()))


def _old(scratch: str) -> str:
    return f"{scratch}_old"


def _noted(scratch: str) -> str:
    return f"{quoted(_old(scratch))}.{quoted(NOTE)}"


def _take_note(cursor: Cursor, scratch: str, before: bytes, moves: Sequence[Move]) -> None:
    """`before`: what is no table, as SQL."""
    cursor.execute(f"CREATE TABLE {_noted(scratch)} (others LONGBLOB, moves LONGTEXT CHARACTER SET utf8mb4)")
    cursor.execute(f"INSERT INTO {_noted(scratch)} VALUES (%s, %s)", [before, json.dumps(moves)])  # noqa: S608 - quoted


def _forget(cursor: Cursor, scratch: str) -> None:
    cursor.execute(f"DROP TABLE {_noted(scratch)}")


def _undo(at: At, cursor: Cursor, scratch: str) -> None:
    """Put back what an exchange that did not end has changed. Again and again, if it has to be."""
    if NOTE not in _tables(cursor, _old(scratch)):
        return
    cursor.execute(f"SELECT others, moves FROM {_noted(scratch)}")  # noqa: S608 - quoted
    if row := cursor.fetchone():  # without one nothing was begun
        moves: list[Move] = [tuple(move) for move in json.loads(row[1])]
        _drop_others(cursor, at.database)
        if moves and moves[0][0] in _tables(cursor, moves[0][2]):  # one statement: all were moved or none
            _rename(cursor, [(table, to, of) for table, of, to in reversed(moves)])
        _run(at, _whole(row[0]), at.database)
    _forget(cursor, scratch)


def _tables(cursor: Cursor, schema: str) -> list[str]:
    return _names(cursor, TABLES, schema)


def _names(cursor: Cursor, query: str, *values: str) -> list[str]:
    cursor.execute(query, values)
    return [str(row[0]) for row in cursor.fetchall()]


def _drop_others(cursor: Cursor, schema: str) -> None:
    for what, query in OTHERS.items():
        for name in _names(cursor, query, schema):
            cursor.execute(f"DROP {what} IF EXISTS {quoted(schema)}.{quoted(name)}")


def _rename(cursor: Cursor, moves: Sequence[Move]) -> None:
    """One statement: all of them or none."""
    words = [f"{quoted(of)}.{quoted(table)} TO {quoted(to)}.{quoted(table)}" for table, of, to in moves]
    if words:
        cursor.execute(f"RENAME TABLE {', '.join(words)}")
