"""Endless statements, gigantic cells and answers, and what is cancelled."""

from __future__ import annotations

import threading
import time

import pytest

from apps import sql
from apps.core.errors import Invalid, Unavailable, UserError
from apps.sql.base import Caps, Server, Where
from tests.sql.conftest import At


def endless(at: At) -> list[str]:
    if at.postgres:
        return ["SELECT pg_sleep(600)", "SELECT count(*) FROM generate_series(1, 100000000000)",
                "SELECT set_config('statement_timeout', '0', false), pg_sleep(600)",
                "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$"]  # fmt: skip # noqa: E501
    return ["SELECT SLEEP(600)", "SET STATEMENT max_statement_time = 0 FOR SELECT SLEEP(600)",
            "BEGIN NOT ATOMIC WHILE 1 DO DO SLEEP(1); END WHILE; END"]  # fmt: skip


def running(at: At) -> list[tuple[object, ...]]:
    """What else runs on the server in the name of the apps or the reader."""
    asked = (
        "SELECT query FROM pg_stat_activity WHERE application_name LIKE 'brainpod %' AND usename <> current_user"
        if at.postgres
        else "SELECT INFO FROM information_schema.PROCESSLIST WHERE INFO LIKE '%600%' AND USER <> 'platform'"
    )
    with sql.open(at.admin) as server:
        return list(server.query("brainpod", asked, read_only=True).rows)


def gone(at: At) -> None:
    deadline = time.monotonic() + 30
    while found := running(at):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_endless_statements_are_ended_on_the_server_too(at: At, apps: Server) -> None:
    for statement in endless(at):
        began = time.monotonic()
        with pytest.raises(UserError) as ended:
            apps.query(at.database, statement, read_only=True, caps=Caps(seconds=0.5))
        assert ended.value.code == "sql_timeout", statement
        assert time.monotonic() - began < 12, statement
        gone(at)


def test_a_statement_is_cancelled_by_its_token(at: At, apps: Server) -> None:
    tokens: list[str] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with sql.open(at.apps) as mine:
                mine.query(at.database, endless(at)[0], read_only=True, started=tokens.append)
        except UserError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 30
    while thread.is_alive():
        assert time.monotonic() < deadline
        if tokens:
            apps.cancel(tokens[0], at.database)
        time.sleep(0.1)
    assert [getattr(error, "code", "") for error in errors] == ["sql_cancelled"]
    assert not apps.cancel(tokens[0], at.database)
    assert not apps.cancel("x' OR true --")


def test_gigantic_cells_are_cut_and_said(at: At, apps: Server) -> None:
    big = "repeat('x', 9000000)"
    found = apps.query(at.database, f"SELECT {big} AS x, 1 AS y", read_only=True, caps=Caps(cell=100))
    assert found.rows == (("x" * 100 + "…", 1),)
    assert found.notes == ("1 cell was longer than 100 characters and cut.",)


def test_a_row_beyond_all_measure_is_refused(at: At, apps: Server) -> None:
    cell = "repeat('x', 9000000)"
    with pytest.raises(UserError) as refused:
        apps.query(at.database, f"SELECT {', '.join([cell] * 5)}", read_only=True, caps=Caps(size=1 << 20))
    assert refused.value.code == "sql_too_big"
    gone(at)


def test_rows_and_bytes_are_capped(at: At, apps: Server) -> None:
    numbers = "SELECT n FROM generate_series(1, 100000) n" if at.postgres else "SELECT seq FROM seq_1_to_100000"
    found = apps.query(at.database, numbers, read_only=True, caps=Caps(rows=10))
    assert [row[0] for row in found.rows] == list(range(1, 11))
    assert found.notes == ("There are more rows: these are the first 10.",)
    wide = numbers.replace(" FROM", ", repeat('x', 1000) FROM")
    found = apps.query(at.database, wide, read_only=True, caps=Caps(rows=100_000, size=1 << 20))
    assert 900 < len(found.rows) < 1200
    assert found.notes == ("The answer is larger than 1 MB: this is its beginning.",)


def test_a_write_whose_answer_is_capped_is_done_whole(at: At, apps: Server) -> None:
    apps.query(at.database, "CREATE TABLE t (n int)", read_only=False)
    fill = "SELECT n FROM generate_series(1, 5000) n" if at.postgres else "SELECT seq FROM seq_1_to_5000"
    assert apps.query(at.database, f"INSERT INTO t {fill}", read_only=False).affected == 5000
    found = apps.query(at.database, "DELETE FROM t WHERE n <= 4000 RETURNING n", read_only=False, caps=Caps(rows=5))
    assert len(found.rows) == 5
    assert apps.query(at.database, "SELECT count(*) FROM t", read_only=True).rows == ((1000,),)


def test_an_export_comes_row_by_row(at: At, apps: Server) -> None:
    numbers = "SELECT n FROM generate_series(1, 20000) n" if at.postgres else "SELECT seq FROM seq_1_to_20000"
    with apps.stream(at.database, numbers, caps=Caps(rows=15000)) as stream:
        assert sum(1 for _ in stream.rows) == 15000
        assert stream.notes == ["There are more rows: these are the first 15000."]


def test_wrong_credentials_are_said_without_them(at: At) -> None:
    for where in (
        at.admin.as_user("brainpod", "hunter2-the-secret"),
        at.admin.as_user("nobody-here", "hunter2-the-secret"),
    ):
        with sql.open(where) as server, pytest.raises(UserError) as refused:
            server.ping()
        assert refused.value.code == "database_credentials"
        assert "hunter2" not in f"{refused.value!r} {refused.value} {refused.value.__cause__!r} {where!r}"


def test_no_server_is_said_without_credentials() -> None:
    for kind in ("postgresql", "mariadb"):
        with sql.open(Where(kind, "127.0.0.1", 1, "me", "hunter2-the-secret")) as server:
            with pytest.raises(Unavailable) as refused:
                server.ping()
        assert refused.value.code == "database_silent"
        assert "hunter2" not in f"{refused.value!r} {refused.value} {refused.value.__cause__!r}"


def test_places_that_are_no_hosts() -> None:
    for kind in ("postgresql", "mariadb"):
        for host in ("/tmp", "", "a,b" if kind == "postgresql" else "/var/run/x.sock"):
            with sql.open(Where(kind, host, 1, "me", "secret")) as server, pytest.raises(Invalid, match="host"):
                server.ping()
    with pytest.raises(Invalid, match="type"), sql.open(Where("oracle", "h", 1, "me", "secret")):
        pass
