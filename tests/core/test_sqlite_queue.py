"""Who waits to write to SQLite has its turn before those that come later (brainpod/sqlite)."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from pytest_django.plugin import DjangoDbBlocker
from structlog.testing import capture_logs

from brainpod.sqlite.base import DatabaseWrapper
from tests.stack.components import wait_for

Opened = Callable[[float], ConnectionHandler]


@pytest.fixture
def database(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Opened]:
    """Connections to one file, each thread its own; they wait for as many seconds as are given."""
    made: list[ConnectionHandler] = []

    def opened(timeout: float) -> ConnectionHandler:
        given = {"transaction_mode": "IMMEDIATE", "timeout": timeout}
        made.append(
            ConnectionHandler(
                {"default": {"ENGINE": "brainpod.sqlite", "NAME": str(tmp_path / "db"), "OPTIONS": given}}
            )
        )
        return made[-1]

    with django_db_blocker.unblock():
        yield opened
        for handler in made:
            handler.close_all()


def begin(connection: BaseDatabaseWrapper) -> None:
    connection.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def is_queued(tmp_path: Path) -> bool:
    """Whether somebody is first in the queue."""
    with (tmp_path / "db-queue").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_the_first_to_wait_is_the_first_to_write(database: Opened, tmp_path: Path) -> None:
    """SQLite alone lets the one that comes last go first here: the other one sleeps for 50 ms or more by then."""
    handler, order = database(20), []

    def write(name: str) -> None:
        connection = handler["default"]
        with connection.cursor():
            pass  # open
        begin(connection)
        order.append(name)
        time.sleep(0.01)
        connection.commit()
        connection.close()

    for _ in range(3):
        order.clear()
        holder = database(20)["default"]
        begin(holder)
        early = threading.Thread(target=write, args=("early",))
        early.start()
        wait_for(lambda: is_queued(tmp_path))
        time.sleep(0.2)
        late = threading.Thread(target=write, args=("late",))
        holder.commit()
        late.start()
        for thread in (early, late):
            thread.join(30)
        assert order == ["early", "late"]


def test_who_waits_too_long_is_told_and_gives_up_its_place(database: Opened, tmp_path: Path) -> None:
    holder, waiting = database(20)["default"], database(0.2)["default"]
    begin(holder)
    with pytest.raises(OperationalError, match="locked"):
        begin(waiting)
    assert not is_queued(tmp_path)
    holder.commit()
    waiting.close()
    begin(waiting)
    waiting.commit()


def test_the_log_names_who_waited_and_who_was_waited_for(database: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brainpod.sqlite.base.LONG", 0.3)
    holder, hasty, waiting = database(20)["default"], database(0.1)["default"], database(20)["default"]
    with capture_logs() as told:
        begin(holder)
        with pytest.raises(OperationalError, match="locked"):
            begin(hasty)
        late = threading.Timer(0.4, lambda: begin(waiting))
        waiting.inc_thread_sharing()
        late.start()
        time.sleep(0.8)
        holder.inc_thread_sharing()
        holder.commit()
        late.join(30)
        waiting.commit()
    assert [one["event"] for one in told] == ["database_locked", "database_held", "database_waited"]
    assert told[1]["seconds"] > 0.8
    assert told[2]["first"] > 0.3


def written(connection: BaseDatabaseWrapper, sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def rows(database: Opened) -> None:
    """A table with two of them."""
    connection = database(20)["default"]
    written(connection, "PRAGMA journal_mode=WAL")
    written(connection, "CREATE TABLE row (n)")
    written(connection, "INSERT INTO row VALUES (1), (2)")


@pytest.mark.usefixtures("rows")
def test_a_single_write_waits_for_its_turn_too(database: Opened, tmp_path: Path) -> None:
    holder, handler, hasty = database(20)["default"], database(20), database(0.2)["default"]
    begin(holder)
    with pytest.raises(OperationalError, match="locked"):
        written(hasty, "UPDATE row SET n = 5")

    def write() -> None:
        written(handler["default"], "UPDATE row SET n = 7")
        handler["default"].close()

    waiting = threading.Thread(target=write)
    waiting.start()
    wait_for(lambda: is_queued(tmp_path))
    holder.commit()
    waiting.join(30)
    with holder.cursor() as cursor:
        cursor.execute("SELECT n FROM row")
        assert cursor.fetchall() == [(7,), (7,)]


@pytest.mark.usefixtures("rows")
def test_who_writes_may_collect_what_was_of_one_that_waits(database: Opened) -> None:
    """Garbage is collected by whichever thread comes by; who sleeps inside SQLite keeps its connection's mutex."""
    waiting, writer, left = database(20), database(20)["default"], list[object]()

    def write() -> None:
        connection = waiting["default"]
        connection.ensure_connection()
        cursor = connection.connection.execute("SELECT n FROM row")
        cursor.fetchone()  # and does not finish
        left.append(cursor)
        del cursor
        started.set()
        written(connection, "UPDATE row SET n = 9")
        connection.close()

    started = threading.Event()
    begin(writer)
    thread = threading.Thread(target=write)
    thread.start()
    assert started.wait(10)
    time.sleep(0.3)  # it waits by now
    began = time.monotonic()
    left.clear()
    writer.commit()
    assert time.monotonic() - began < 5
    thread.join(30)


@pytest.mark.usefixtures("rows")
def test_who_still_reads_what_was_written_over_holds_up_nobody(database: Opened, tmp_path: Path) -> None:
    """No waiting helps it, and for as long as it stood first in the queue nobody would write."""
    reading, writing = database(20)["default"], database(20)["default"]
    with reading.cursor() as unfinished:
        unfinished.execute("SELECT n FROM row")
        unfinished.fetchone()
        begin(writing)
        with writing.cursor() as cursor:
            cursor.execute("INSERT INTO row VALUES (3)")
        writing.commit()
        began = time.monotonic()
        with capture_logs() as told, pytest.raises(OperationalError, match="locked"):
            begin(reading)
    assert time.monotonic() - began < 10
    assert [one["why"] for one in told] == ["SQLITE_BUSY_SNAPSHOT"]
    assert not is_queued(tmp_path)


def test_a_process_forked_meanwhile_keeps_no_place_in_the_queue(database: Opened, tmp_path: Path) -> None:
    """A worker's pool forks whenever it grows, whatever its other threads are at."""
    connection = database(20)["default"]
    assert isinstance(connection, DatabaseWrapper)
    with connection._first_in_queue():
        if not (child := os.fork()):
            time.sleep(60)
            os._exit(0)
    try:
        assert not is_queued(tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
