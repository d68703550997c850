"""What Docker sends of a container's output: frames of both streams, and lines numbered by the time of their writing.

Docker has a nanosecond for each line, kept with it, the same for every reader: it is the line's number. A line longer
than 16 kB comes in several frames with one time; a line that would have the number of the one before, or less (the
clock was set back), has the next.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from apps.engines.base import LogLine
from apps.engines.process.logs import LONGEST, Stream

HEAD = 8  # bytes: stream, three zeros, the length
PART = 16384  # bytes of a frame that is followed by another of the same line
STREAMS: dict[int, Stream] = {1: "out", 2: "err"}
SECOND = 1_000_000_000  # ns


class Demux:
    """Bytes in, whole frames out."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Stream, bytes]]:
        self._rest += data
        at = 0
        while len(self._rest) - at >= HEAD:
            end = at + HEAD + int.from_bytes(self._rest[at + 4 : at + HEAD], "big")
            if end > len(self._rest):
                break
            yield STREAMS.get(self._rest[at], "out"), bytes(self._rest[at + HEAD : end])
            at = end
        del self._rest[:at]


def moment(text: str) -> int:
    """Nanoseconds since 1970 of a time as Docker writes it; 0 for one that never was."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    if seconds.startswith("0001"):
        return 0
    return calendar.timegm(time.strptime(seconds[:19], "%Y-%m-%dT%H:%M:%S")) * SECOND + int(fraction.ljust(9, "0")[:9])


def as_datetime(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / SECOND, UTC)


class Lines:
    """Frames with their times in, numbered lines out. `last` is the number of the line passed on last."""

    def __init__(self, last: int = 0) -> None:
        self.last = last
        self._open: dict[Stream, tuple[int, bytes]] = {}
        self._second = ("", 0)

    def feed(self, stream: Stream, frame: bytes) -> Iterator[LogLine]:
        stamp, _, text = frame.partition(b" ")
        at = self._moment(stamp.decode("ascii", "replace"))
        began, rest = self._open.pop(stream, (at, b""))
        if rest and began != at:  # what had no end of line was the last the process before wrote
            yield self._line(began, stream, rest)
            rest = b""
        whole = rest + text
        while len(whole) >= LONGEST and whole != b"\n":
            yield self._line(at, stream, whole[:LONGEST])
            whole = whole[LONGEST:]
        if whole.endswith(b"\n"):
            yield self._line(at, stream, whole[:-1])
        elif whole:
            self._open[stream] = (at, whole)

    def finish(self) -> Iterator[LogLine]:
        """What has no end of line. A part that Docker filled goes on in a frame that has not come yet."""
        for stream, (at, rest) in sorted(self._open.items()):
            if len(rest) % PART:
                yield self._line(at, stream, rest)
        self._open.clear()

    def _line(self, at: int, stream: Stream, text: bytes) -> LogLine:
        before, self.last = self.last, max(at, self.last + 1)
        return LogLine(self.last, as_datetime(at), stream, text.removesuffix(b"\r").decode("utf-8", "replace"), before)

    def _moment(self, stamp: str) -> int:
        """`moment`, quick for lines of the same second."""
        if stamp[:19] != self._second[0]:
            self._second = (stamp[:19], moment(stamp[:19]))
        return self._second[1] + int(stamp[20:].rstrip("Z").ljust(9, "0")[:9])
