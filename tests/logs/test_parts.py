"""What is sent in one message fits into what the server in front passes on."""

from __future__ import annotations

import pytest

from apps.logs.lines import LONGEST, Line, encode, parts


@pytest.mark.parametrize("text", ["", "x", '"\\\t' * 30, "日本語 🎉" * 40, "a" * LONGEST])
def test_parts_keep_every_line_in_order_and_stay_small(text: str) -> None:
    lines = [Line(number, 1_700_000_000_000, "Build · web", "info", text) for number in range(1, 3001)]
    found = list(parts(lines, 512 * 1024))
    assert [line for part in found for line in part] == lines
    assert max(len(encode(part)) for part in found) <= 512 * 1024


def test_a_line_longer_than_a_message_goes_alone() -> None:
    lines = [Line(number, 0, "", "info", "x" * size) for number, size in enumerate((10, 5000, 10), start=1)]
    assert [len(part) for part in parts(lines, 1000)] == [1, 1, 1]


def test_nothing_is_no_message() -> None:
    assert list(parts([], 1000)) == []
