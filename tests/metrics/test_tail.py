"""Reading a log that grows, is put aside, is emptied, and ends in the middle of a line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.metrics import tail


class Log:
    """The two files, and everything that was read of them so far."""

    def __init__(self, folder: Path) -> None:
        self.old, self.new = folder / "access.log.1", folder / "access.log"
        self.offsets: tail.Offsets = {}
        self.read: list[str] = []
        self.written: list[str] = []

    def write(self, count: int = 1, *, to: Path | None = None) -> None:
        with (to or self.new).open("a") as file:
            for _ in range(count):
                self.written.append(f"line {len(self.written)}")
                file.write(f"{self.written[-1]}\n")

    def rotate(self) -> None:
        self.new.replace(self.old)

    def look(self) -> None:
        more = True
        while more:
            pieces, self.offsets, more = tail.read((self.old, self.new), self.offsets)
            for piece in pieces:
                self.read += [line.decode() for line in piece.data.split(b"\n") if line]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_every_line_once(log: Log) -> None:
    log.look()
    log.write(3)
    log.look()
    log.look()
    log.write(2)
    log.look()
    assert log.read == log.written


def test_what_is_not_ended_yet_is_read_when_it_is(log: Log) -> None:
    log.new.write_text("fir")
    log.look()
    assert (log.read, log.offsets) == ([], {})
    log.new.write_text("first\nsec")
    log.look()
    log.look()
    log.new.write_text("first\nsecond\n")
    log.look()
    assert log.read == ["first", "second"]


def test_nothing_is_lost_or_doubled_across_a_rotation(log: Log) -> None:
    log.write(3)
    log.look()
    log.write(2)
    log.rotate()
    log.write(1, to=log.old)  # nginx had not opened the new one yet
    log.write(2)
    log.look()
    log.write(1, to=log.old)
    log.write(1)
    log.look()
    assert sorted(log.read) == sorted(log.written)
    log.rotate()
    log.look()
    log.write(2)
    log.look()
    assert sorted(log.read) == sorted(log.written)


def test_a_file_emptied_in_place_is_another_one(log: Log) -> None:
    log.write(5)
    log.look()
    log.new.write_text("")
    log.look()
    log.write(1)
    log.look()
    assert log.read == log.written


def test_large_logs_are_read_in_pieces(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "CHUNK", 64)
    log.write(50)
    log.rotate()
    log.write(30)
    log.look()
    assert log.read == log.written


def test_what_has_no_end_of_a_line_is_passed_over(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "CHUNK", 64)
    log.write(1)
    with log.new.open("a") as file:
        file.write("x" * 200 + "\n")
    log.write(2)
    log.look()
    assert [line for line in log.read if "x" not in line] == log.written


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["write", "late", "look", "rotate"]), max_size=40), st.integers(20, 200))
def test_whatever_happens_in_whatever_order(
    tmp_path_factory: pytest.TempPathFactory, moves: list[str], chunk: int
) -> None:
    log = Log(tmp_path_factory.mktemp("log"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail, "CHUNK", chunk)
        for move in moves:
            if move == "write":
                log.write(2)
            elif move == "late" and log.old.exists():
                log.write(1, to=log.old)
            elif move == "look":
                log.look()
            elif move == "rotate" and log.new.exists():
                log.look()  # as the collector does: what was put aside before is replaced
                log.rotate()
        log.look()
        assert sorted(log.read) == sorted(log.written)
