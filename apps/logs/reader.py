"""Reading a log: the database and Valkey as one sequence, every line once.

The database is asked first. A line stored in between is still in Valkey, which keeps far more than a second's worth;
should the two not meet all the same, the database is asked again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from apps.logs import live, store
from apps.logs.lines import EVENT, Line, plain
from apps.logs.stages import shown

ATTEMPTS = 3
SIZE = 1024 * 1024  # bytes read at a time


def stored(stream: str, *, after: int = 0) -> list[live.Entry]:
    """The next lines after `after` as they are kept, about a megabyte at a time, oldest first; none: no more of them.

    The first may begin before `after`, or after it where lines were lost or dropped. What follows each other is one.
    """
    found: list[live.Entry] = []
    for _ in range(ATTEMPTS):
        found = list(live.together(store.entries(stream, after, SIZE) or _waiting(stream, after)))
        if not found or found[0].first <= after + 1:
            break
    return found


def read(stream: str, *, after: int = 0, limit: int = 2000) -> list[Line]:
    """Up to `limit` lines with seq > `after`, oldest first. A jump in seq means lines that were lost or dropped."""
    found: list[Line] = []
    for _ in range(ATTEMPTS):
        last = found[-1].seq if found else after
        found += islice(store.lines(stream, last), limit - len(found))
        if len(found) >= limit:
            return found
        last = found[-1].seq if found else after
        fresh = _live(stream, last, limit - len(found))
        if not fresh or fresh[0].seq == last + 1:
            break
    return [*found, *fresh][:limit]


def _live(stream: str, after: int, limit: int) -> list[Line]:
    lines = (line for entry in _waiting(stream, after) for line in entry.lines() if line.seq > after)
    return list(islice(lines, limit))


def _waiting(stream: str, after: int) -> list[live.Entry]:
    try:
        return live.entries(stream, after)
    except live.Away:
        return []


def last_seq(stream: str) -> int:
    """The number of the newest line; 0 when there is none."""
    try:
        newest = live.newest(stream)
    except live.Away:
        newest = None
    return max(store.state(stream).last_seq, newest.last if newest else 0)


def dropped(stream: str) -> int:
    """Lines up to this one were dropped by retention; 0 when none were."""
    return store.state(stream).dropped


def tail(stream: str, lines: int = 500) -> list[Line]:
    """The newest `lines` lines, oldest first."""
    return read(stream, after=max(last_seq(stream) - lines, 0), limit=lines)


def before(stream: str, seq: int, limit: int = 1000) -> list[Line]:
    """Up to `limit` lines just before line `seq`, oldest first."""
    return [line for line in read(stream, after=max(seq - 1 - limit, 0), limit=limit) if line.seq < seq]


def everything(stream: str) -> Iterator[Line]:
    """All lines, oldest first, a chunk in memory at a time."""
    after = 0
    while found := read(stream, after=after, limit=5000):
        yield from found
        after = found[-1].seq


def search(stream: str, text: str, *, limit: int = 1000) -> list[Line]:
    """The first `limit` lines that contain `text`, in whatever case; colours do not count."""
    wanted = text.casefold()
    lines = (line for line in everything(stream) if line.level != EVENT)
    return list(islice((line for line in lines if wanted in plain(line.text).casefold()), limit))


def text(stream: str) -> Iterator[str]:
    """The log as a text file, piece by piece: time, section and text of each line, without colours."""
    gone = dropped(stream)
    if gone:
        yield f"[lines 1 to {gone} are older than logs are kept]\n"
    for line in everything(stream):
        at = datetime.fromtimestamp(line.at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        section = f" [{line.section}]" if line.section and line.level != EVENT else ""
        yield f"{at}{section} {shown(line)}\n"
