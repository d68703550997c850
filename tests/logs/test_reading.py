"""A log is read in the batches it is kept in, put together; every line once, wherever the reader begins."""

from __future__ import annotations

import pytest

from apps.core.masking import Mask
from apps.logs import live, reader, store
from apps.logs.lines import Line, encode
from apps.logs.live import Entry
from apps.logs.writer import LogWriter

LINES = 600


def batch(first: int, last: int) -> Entry:
    lines = [Line(number, number, "", "info", f"«{number}»") for number in range(first, last + 1)]
    return Entry(first, last, last, encode(lines))


def seqs(entries: list[Entry]) -> list[list[int]]:
    return [[line.seq for line in entry.lines()] for entry in entries]


def test_what_follows_each_other_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = batch(1, 2)
    assert list(live.together([alone])) == [alone]
    assert list(live.together([])) == []
    found = list(live.together([alone, batch(3, 3), batch(5, 6), batch(7, 7)]))
    assert seqs(found) == [[1, 2, 3], [5, 6, 7]]
    assert [(entry.first, entry.last, entry.source) for entry in found] == [(1, 3, 3), (5, 7, 7)]
    monkeypatch.setattr(live, "TOGETHER", len(alone.payload) * 2)
    assert seqs(list(live.together([alone, batch(3, 4), batch(5, 6)]))) == [[1, 2, 3, 4], [5, 6]]


def collected(stream: str, after: int) -> tuple[list[int], int]:
    """Every line after `after` as a viewer takes them, and in how many batches they came."""
    found: list[int] = []
    batches, last = 0, after
    while entries := reader.stored(stream, after=last):
        batches += len(entries)
        found += [line.seq for entry in entries for line in entry.lines() if line.seq > last]
        last = entries[-1].last
    return found, batches


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("after", [0, 1, 301, LINES - 1, LINES])
def test_many_small_chunks_and_what_waits_are_few_batches(stream: str, after: int) -> None:
    row = store.take(stream)
    for first in range(1, LINES - 100, 2):
        store.append(stream, row.fence, [batch(first, first + 1)])
    for number in range(LINES - 99, LINES + 1):
        assert live.publish(stream, row.fence, batch(number, number))
    found, batches = collected(stream, after)
    assert found == list(range(after + 1, LINES + 1))
    assert batches <= 2
    assert [line.seq for line in reader.read(stream, after=after, limit=10)] == found[:10]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
def test_a_stream_is_taken_over_and_over(stream: str) -> None:
    """The first to take a stream makes it; each fences the one before."""
    fences = [store.take(stream).fence for _ in range(3)]
    assert fences == [1, 2, 3]
    with pytest.raises(store.Fenced):
        store.append(stream, 2, [batch(1, 1)])
    with LogWriter.open(stream, mask=Mask([])) as log:
        log.line("mine")
    assert [line.text for line in reader.read(stream)] == ["mine"]
