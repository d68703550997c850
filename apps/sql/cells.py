"""Answers cut to what can be shown."""

from __future__ import annotations

from apps.sql.base import Caps, Cell


class Cutter:
    """Shortens cells to `caps.cell` characters and counts what it did and what was left out."""

    def __init__(self, caps: Caps) -> None:
        self.caps = caps
        self.cut = 0

    def cell(self, value: Cell) -> Cell:
        if isinstance(value, str) and len(value) > self.caps.cell:
            self.cut += 1
            return value[: self.caps.cell] + "…"
        return value

    def note(self) -> list[str]:
        if not self.cut:
            return []
        cells = "1 cell was" if self.cut == 1 else f"{self.cut} cells were"
        return [f"{cells} longer than {self.caps.cell} characters and cut."]


def rows_note(caps: Caps) -> str:
    return f"There are more rows: these are the first {caps.rows}."


def size_note(caps: Caps) -> str:
    return f"The answer is larger than {caps.size >> 20} MB: this is its beginning."
