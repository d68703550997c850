"""What the person at the terminal reads, and how many may push at once."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import pytest

from apps.core.errors import UserError
from apps.logs.lines import Line
from apps.pushes import transfers, words
from apps.pushes.transfers import transfer


def line(seq: int, text: str, level: str = "info") -> Line:
    return Line(seq, 0, "Build", level, text)


def test_lines_without_colours_and_what_is_left_out() -> None:
    said = words._written([line(3, "\x1b[31mred\x1b[0m"), line(4, "next"), line(10, "later")], 2)
    assert said == "red\nnext\n[5 lines are not shown here]\nlater\n"


def test_who_is_far_behind_is_shown_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(words.reader, "last_seq", lambda stream: 200_000)
    monkeypatch.setattr(words.reader, "read", lambda stream, *, after, limit: asked.append(after) or [])
    words._after("deployment:x", 100)
    words._after("deployment:x", 199_000)
    assert asked == [195_000, 199_000]


def test_a_refusal_has_its_words_hint_and_code() -> None:
    assert words.refused(UserError("no_room", "It is full.", "Make room.")) == (
        "Not deployed. It is full.\nMake room.\n[no_room]\n"
    )


def test_only_so_many_packs_at_once(state: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, pushes=1)
    transfers._places.cache_clear()
    monkeypatch.setattr(transfers, "PATIENCE", 0.1)
    with transfer() as held:
        with pytest.raises(UserError, match="Too many pushes"), transfer():
            pass
        held.release()
        held.release()
        with transfer():
            pass
    monkeypatch.setattr(transfers, "PATIENCE", 30.0)
    with transfer() as held:
        threading.Timer(0.1, held.release).start()
        with transfer():
            pass
    transfers._places.cache_clear()


def test_only_so_many_are_watched(settings: Any) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, push_watchers=1)
    with words._place() as first, words._place() as second:
        assert (first, second) == (True, False)
    with words._place() as again:
        assert again
