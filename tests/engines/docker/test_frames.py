"""Lines out of frames, however the bytes are cut."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from apps.engines.base import LogLine
from apps.engines.docker.frames import PART, Demux, Lines, as_datetime, moment
from apps.engines.process.logs import LONGEST

NOON = "2026-11-21T12:00:00.{:09d}Z"


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def stamped(at: int, text: bytes) -> bytes:
    return f"{NOON.format(at)} ".encode() + text


def lines(*frames: bytes, last: int = 0) -> list[LogLine]:
    numbered = Lines(last)
    found = [line for data in frames for line in numbered.feed("out", data)]
    return found + list(numbered.finish())


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=20), st.lists(st.integers(1, 30)))
def test_cuts_do_not_matter(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join(frame(stream, text) for stream, text in frames)
    demux, found = Demux(), []
    for cut in [*cuts, len(data)]:
        found += list(demux.feed(data[:cut]))
        data = data[cut:]
    assert found == [({1: "out", 2: "err"}[stream], text) for stream, text in frames]


def test_numbers_are_the_times_and_say_what_they_follow() -> None:
    base = moment(NOON.format(0))
    one, two = lines(stamped(5, b"a\n"), stamped(9, b"b\r\n"))
    assert (one.seq, two.seq, one.text, two.text) == (base + 5, base + 9, "a", "b")
    assert (one.follows, two.follows) == (0, one.seq)
    assert one.at == datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_clock_set_back_does_not_turn_the_order() -> None:
    found = lines(stamped(9, b"a\n"), stamped(9, b"b\n"), stamped(3, b"c\n"), stamped(50, b"d\n"))
    assert [line.text for line in found] == ["a", "b", "c", "d"]
    assert all(a.seq < b.seq for a, b in pairwise(found))


def test_a_long_line_comes_in_parts_and_is_cut_like_any_engine_does() -> None:
    whole = b"x" * (2 * LONGEST + 7) + b"\n"
    parts = [stamped(5, whole[at : at + PART]) for at in range(0, len(whole), PART)]
    assert [len(line.text) for line in lines(*parts)] == [LONGEST, LONGEST, 7]
    assert len({line.seq for line in lines(*parts)}) == 3


def test_last_words_without_an_end_are_a_line_of_their_own() -> None:
    assert [line.text for line in lines(stamped(5, b"no end"))] == ["no end"]
    assert [line.text for line in lines(stamped(5, b"no end"), stamped(9, b"next life\n"))] == ["no end", "next life"]
    assert lines(stamped(5, b"x" * PART)) == []  # goes on in a part that has not come yet


def test_times_as_docker_writes_them() -> None:
    assert moment("0001-01-01T00:00:00Z") == 0
    assert moment("1970-01-01T00:00:01.5Z") == 1_500_000_000
    assert as_datetime(moment("2026-11-21T12:00:00Z")) == datetime(2026, 11, 21, 12, tzinfo=UTC)
