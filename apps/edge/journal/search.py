"""Reading a pod's request log: back from a place, a bounded stretch at a time, and on from one.

Nothing is indexed. A file is unpacked in a millisecond and looked through for the bytes that a match must have, so a
rare request id among hundreds of thousands of lines is found in tenths of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from apps.edge.journal import entry, segments
from apps.edge.journal.entry import Entry, Filter, Place

PAGE = 100
MOST = 100_000  # lines looked at for one page
BEGINNING = (0, 0)


@dataclass(frozen=True, slots=True)
class Page:
    """`entries`, the newest first. `before`: where the next page goes on, None where there is nothing older.

    `end`: the place behind the newest line there is. `skipped`: how many more matched than are in it (of `after`).
    """

    entries: tuple[Entry, ...]
    before: Place | None
    end: Place
    looked: int
    skipped: int = 0


def back(root: Path, wanted: Filter, before: Place | None = None, limit: int = PAGE) -> Page:
    """The newest `limit` matches older than `before`, at most MOST lines looked at (and the file it ends in)."""
    found: list[Entry] = []
    looked, end = 0, before
    for one in reversed(segments.segments(segments.folder(root, wanted.pod))):
        if before and one.number > before[0]:
            continue
        lines = one.read()
        end = end or (one.number, len(lines))
        upto = min(before[1], len(lines)) if before and before[0] == one.number else len(lines)
        for said in _matches(one, lines, range(upto - 1, -1, -1), wanted):
            if len(found) == limit:
                return Page(tuple(found), (one.number, said.place[1] + 1), end, looked)
            found.append(said)
        looked += upto
        if looked >= MOST and one.number:
            return Page(tuple(found), (one.number, 0), end, looked)
    return Page(tuple(found), None, end or BEGINNING, looked)


def after(root: Path, wanted: Filter, place: Place, limit: int = PAGE) -> Page:
    """What came since `place`: the newest `limit` matches of it."""
    found: list[Entry] = []
    looked, end = 0, place
    for one, lines, order in _since(root, wanted, place):
        found += _matches(one, lines, order, wanted)
        looked += len(order)
        end = max(end, (one.number, len(lines)))
    return Page(tuple(reversed(found[-limit:])), None, end, looked, max(0, len(found) - limit))


def onward(root: Path, wanted: Filter, place: Place, limit: int = PAGE) -> Page:
    """The oldest `limit` matches from `place` on, the oldest first; `end` is where to go on."""
    found: list[Entry] = []
    looked, end = 0, place
    for one, lines, order in _since(root, wanted, place):
        for said in _matches(one, lines, order, wanted):
            found.append(said)
            if len(found) == limit:
                return Page(tuple(found), None, (one.number, said.place[1] + 1), looked)
        looked += len(order)
        end = max(end, (one.number, len(lines)))
    return Page(tuple(found), None, end, looked)


def _since(root: Path, wanted: Filter, place: Place) -> Iterator[tuple[segments.Segment, list[bytes], range]]:
    """The files from `place` on, with the numbers of those of their lines: MOST, and the file that ends in."""
    looked = 0
    for one in segments.segments(segments.folder(root, wanted.pod)):
        if one.number < place[0]:
            continue
        if looked >= MOST:
            return
        lines = one.read()
        order = range(place[1] if one.number == place[0] else 0, len(lines))
        yield one, lines, order
        looked += len(order)


def _matches(one: segments.Segment, lines: list[bytes], order: range, wanted: Filter) -> Iterator[Entry]:
    """Those of `lines` whose numbers are in `order`, in that order, which are looked for."""
    needles = wanted.needles()
    for number in order:
        line = lines[number]
        if all(needle in line for needle in needles) and wanted.slow(line):
            said = entry.read((one.number, number), line)
            if said and wanted.holds(said):
                yield said
