"""What is written by anybody becomes harmless, masked lines, however it is cut into pieces."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.errors import NotFound
from apps.core.masking import MASK, Mask
from apps.logs.batches import LONG_LINE, Batcher, Piece
from apps.logs.lines import LONGEST, Line, check_stream, clean, decode, encode, pieces

SECRET = "s3cr3t-Value/9"
COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
hostile = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            ["\x1b[31m", "\x1b[0m", "\x1b[2J", "\x1b]0;title\x07", "\x1b[", "\x1b", "\r", "\n", "\t", "\x00", "\u202e",
             "<script>alert(1)</script>", "</log-viewer>", "\ud800", "é", "🐙", SECRET, SECRET[:7], SECRET[7:]]
        ),
    ),
    max_size=30,
).map("".join)  # fmt: skip
quick = settings(max_examples=150)


def written(batcher: Batcher, chunks: list[str]) -> list[Line]:
    found = [line for chunk in chunks for line in batcher.lines([Piece(1, "", "info", chunk)])]
    return found + batcher.lines([], finish=True)


@quick
@given(hostile)
def test_nothing_harmful_is_left_and_no_line_is_added(text: str) -> None:
    cleaned = clean(text)
    assert not HARMFUL.search(COLOUR.sub("", cleaned))
    assert cleaned.count("\n") == text.count("\n")
    assert clean(cleaned) == cleaned


@quick
@given(hostile, st.lists(st.integers(0, 400), max_size=8))
def test_no_secret_passes_wherever_the_text_is_cut(text: str, cuts: list[int]) -> None:
    borders = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    chunks = [text[start:end] for start, end in itertools.pairwise(borders)]
    lines = written(Batcher(Mask([SECRET]), 0), chunks)
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
    assert not [line for line in lines if SECRET in line.text]
    assert [line.text for line in lines] == [line.text for line in written(Batcher(Mask([SECRET]), 0), [text])]


@quick
@given(hostile, st.integers(0, 3))
def test_lines_survive_storage_and_are_cut_into_bounded_pieces(text: str, scale: int) -> None:
    whole = clean(text.replace("\n", " ")) * (1 + scale * 300)
    cut = pieces(whole)
    assert "".join(cut) == whole
    assert max(len(part.encode()) for part in cut) <= LONGEST
    lines = [Line(place, 5, "build", "info", part) for place, part in enumerate(cut, 1)]
    assert decode(encode(lines)) == lines


def test_a_secret_at_the_end_of_a_line_too_long_to_wait_for_is_masked() -> None:
    for shift in range(len(SECRET) + 1):
        head = "x" * (LONG_LINE + 1 - shift)
        lines = written(Batcher(Mask([SECRET]), 0), [head + SECRET[:shift], SECRET[shift:] + "tail\n"])
        assert "".join(line.text for line in lines) == f"{head}{MASK}tail"


def test_a_secret_of_several_lines_is_masked_as_a_whole_and_line_by_line() -> None:
    key = "-----BEGIN KEY-----\nabcdefgh\nijklmnop\n-----END KEY-----"
    together = written(Batcher(Mask([key]), 0), [f"key: {key}.\n"])
    assert [line.text for line in together] == [f"key: {MASK}."]
    apart = written(Batcher(Mask([key]), 0), [piece + "\n" for piece in key.split("\n")])
    assert [line.text for line in apart] == [MASK] * 4


def test_a_progress_bar_becomes_its_last_state() -> None:
    lines = written(Batcher(Mask([]), 0), ["10%\r50%", "\r100%\ndone\r\n"])
    assert [line.text for line in lines] == ["100%", "done"]


def test_a_section_or_level_finishes_the_line_before_it() -> None:
    batcher = Batcher(Mask([]), 0)
    lines = batcher.lines(
        [Piece(1, "a", "info", "one"), Piece(2, "b", "info", "two"), Piece(3, "b", "warn", "three\n")]
    )
    assert lines == [Line(1, 1, "a", "info", "one"), Line(2, 2, "b", "info", "two"), Line(3, 3, "b", "warn", "three")]


@pytest.mark.parametrize(
    "name", ["", "deployment", "deployment:", "Deployment:1", "a:b:c", "a:b\n", "a:../b", "a:" + "b" * 90]
)
def test_what_is_no_name_of_a_log_is_refused(name: str) -> None:
    with pytest.raises(NotFound):
        check_stream(name)
