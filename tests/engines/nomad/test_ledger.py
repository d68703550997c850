"""Numbers of lines: the same for everybody, whoever dies while writing them down."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.engines.nomad import ledger
from apps.engines.nomad.ledger import Entry, Ledger


def entry(first: int, count: int = 1, **fields: object) -> Entry:
    return Entry(**{"first": first, "count": count, "at": 1, "allocation": "a", "stream": "out", **fields})  # type: ignore[arg-type]


def add(book: Ledger, *entries: Entry) -> None:
    with book.writing():
        book.add(list(entries))


def test_readers_see_what_others_wrote(tmp_path: Path) -> None:
    one, two = Ledger(tmp_path, "w"), Ledger(tmp_path, "w")
    add(one, entry(1, 5, end=50), entry(6, stream="err", end=7))
    two.refresh()
    assert two.entries == one.entries
    assert (two.last, two.position("a", "out"), two.position("a", "err")) == (6, (0, 50), (0, 7))
    add(two, entry(7, number=2, end=3))
    one.refresh()
    assert one.entries == two.entries
    assert one.position("a", "out") == (2, 3)
    assert one.position("b", "out") == (0, 0)
    assert Ledger(tmp_path, "other").last == 0


def test_half_a_line_of_a_killed_writer_is_nothing(tmp_path: Path) -> None:
    book = Ledger(tmp_path, "w")
    add(book, entry(1))
    (path,) = tmp_path.glob("*.lines")
    with path.open("ab") as file:
        file.write(b'[2, 1, 1, "a", "ou')
    other = Ledger(tmp_path, "w")
    add(other, entry(2))
    book.refresh()
    assert [one.first for one in book.entries] == [one.first for one in other.entries] == [1, 2]
    fresh = Ledger(tmp_path, "w")
    fresh.refresh()
    assert fresh.entries == book.entries


def test_the_older_half_is_forgotten_and_numbers_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST", 10)
    book, reader = Ledger(tmp_path, "w"), Ledger(tmp_path, "w")
    for number in range(1, 31):
        add(book, entry(number, end=number))
        reader.refresh()
        assert reader.entries == book.entries
        assert reader.last == number
    assert len(book.entries) <= 10


def test_what_was_told_is_known(tmp_path: Path) -> None:
    book = Ledger(tmp_path, "w")
    add(book, entry(1, stream="engine", end=77, text="Exited."), entry(2, end=900))
    assert (book.told("a"), book.told("b")) == (77, 0)


def test_old_ledgers_are_swept(tmp_path: Path) -> None:
    add(Ledger(tmp_path, "w"), entry(1))
    (path,) = tmp_path.glob("*.lines")
    ledger.sweep(tmp_path, path.stat().st_mtime + ledger.SILENT - 10)
    assert path.exists()
    ledger.sweep(tmp_path, path.stat().st_mtime + ledger.SILENT + 60)
    assert not list(tmp_path.iterdir())
