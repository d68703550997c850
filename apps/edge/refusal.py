"""Why the last configuration was refused, kept until one is taken."""

from __future__ import annotations

from pathlib import Path

from apps.edge import applied
from apps.edge.layout import Layout


def _file(layout: Layout) -> Path:
    return layout.home / "refused"


def note(layout: Layout, words: str) -> None:
    applied.replace(_file(layout), words)


def forget(layout: Layout) -> None:
    _file(layout).unlink(missing_ok=True)


def last(layout: Layout) -> tuple[str, float]:
    """(in words, when in seconds of the epoch); ("", 0.0) where there is none."""
    try:
        return _file(layout).read_text(), _file(layout).stat().st_mtime
    except FileNotFoundError:
        return "", 0.0
