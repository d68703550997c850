"""Splitting and keeping lines."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.engines.base import LogLine
from apps.engines.process.logs import LONGEST, Ring, Splitter, new_file, read_whole, write_all


@given(st.lists(st.binary(max_size=50), max_size=20), st.lists(st.integers(1, 30), max_size=50))
def test_cuts_do_not_matter(lines: list[bytes], cuts: list[int]) -> None:
    data = b"\n".join(lines)
    whole = Splitter()
    expected = whole.feed(data) + whole.finish()
    splitter, found = Splitter(), []
    for cut in [*cuts, len(data)]:
        found += splitter.feed(data[:cut])
        splitter = Splitter(splitter.rest)  # as after the end of an agent
        data = data[cut:]
    assert found + splitter.finish() == expected


def test_a_line_without_end_is_cut_at_the_longest() -> None:
    splitter = Splitter()
    assert [len(line) for line in splitter.feed(b"x" * (2 * LONGEST + 5))] == [LONGEST, LONGEST]
    assert splitter.finish() == ["x" * 5]


@pytest.fixture
def segments() -> Iterator[tuple[int, int]]:
    fds = (new_file("a"), new_file("b"))
    yield fds
    for fd in fds:
        os.close(fd)


def test_a_ring_is_found_again_and_goes_on(segments: tuple[int, int]) -> None:
    told: list[LogLine] = []
    ring = Ring(segments, told.append, size=1000)
    for n in range(100):
        ring.add("out", [f"line {n}"])
    again = Ring(segments, told.append, size=1000)
    again.add("err", ["after"])
    lines = list(again.lines())
    assert lines[-1].text == "after"
    assert [line.seq for line in lines] == list(range(lines[0].seq, 102))
    assert sum(os.fstat(fd).st_size for fd in segments) <= 2000
    assert [line.seq for line in told] == list(range(1, 102))


def test_half_a_record_is_passed_over(segments: tuple[int, int]) -> None:
    Ring(segments, lambda _: None).add("out", ["one"])
    os.pwrite(segments[0], b'[2, 12.5, "o', os.fstat(segments[0]).st_size)
    assert [line.text for line in Ring(segments, lambda _: None).lines()] == ["one"]


def test_a_shorter_state_replaces_a_longer_one(segments: tuple[int, int]) -> None:
    assert read_whole(segments[0]) == b""
    write_all(segments[0], b"a long state")
    write_all(segments[0], b"short")
    assert read_whole(segments[0]) == b"short"
