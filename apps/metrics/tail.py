"""Reading the access log as it grows, across rotations and restarts.

A file is known by a digest of its first line, which has a time and a number of its own: it stays the same file when
it is renamed, and another one with its name, or itself emptied, is not taken for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

CHUNK = 4 * 1024 * 1024  # bytes read at once; a line that is longer is none
FIRST = 65536  # bytes of the first line that tell a file from others

Offsets = dict[str, int]
"""Digest of a file's first line → bytes of it that have been read."""


class Piece(NamedTuple):
    """Complete lines of the file `name` (a digest, as in Offsets), from byte `at` on."""

    name: str
    at: int
    data: bytes


def read(paths: Iterable[Path], offsets: Offsets) -> tuple[list[Piece], Offsets, bool]:
    """Every complete line after `offsets`, the older file first, at most CHUNK bytes of them.

    The offsets after that, of the files that are there, and whether there may be more.
    """
    pieces: list[Piece] = []
    reached: Offsets = {}
    room = CHUNK
    more = False
    for path in paths:
        try:
            with path.open("rb") as file:
                name = _name(file.readline(FIRST))
                if not name or name in reached:
                    continue
                at = offsets.get(name, 0)
                file.seek(at)
                data = file.read(room)
        except FileNotFoundError:
            continue
        taken = _taken(data, full=len(data) == CHUNK)
        if taken:
            pieces.append(Piece(name, at, data[:taken]))
        reached[name] = at + taken
        more = more or len(data) == room
        room -= len(data)
    return pieces, reached, more


def _name(first: bytes) -> str:
    """Empty while there is no whole line yet."""
    whole = first.endswith(b"\n") or len(first) == FIRST
    return hashlib.sha256(first).hexdigest()[:32] if whole else ""


def _taken(data: bytes, *, full: bool) -> int:
    """How much of `data` is complete lines; all of it if it is as much as is ever read and has no end of a line."""
    end = data.rfind(b"\n") + 1
    return len(data) if full and not end else end
