"""The lines of one workload: split from what it writes, kept in a ring that survives the agent, never on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Literal, cast

from apps.engines.base import LogLine

LONGEST = 65536  # bytes of a line; longer ones are split
SEGMENT = 1_048_576  # bytes; a workload's ring has two
Stream = Literal["out", "err", "engine"]


class Splitter:
    """Bytes in, whole lines out. What has no end yet is kept in `rest`."""

    def __init__(self, rest: bytes = b"") -> None:
        self.rest = rest

    def feed(self, data: bytes) -> list[str]:
        """The lines completed by `data`, without their ends."""
        *whole, self.rest = (self.rest + data).split(b"\n")
        lines = [piece for line in whole for piece in _pieces(line)]
        while len(self.rest) >= LONGEST:
            lines.append(self.rest[:LONGEST])
            self.rest = self.rest[LONGEST:]
        return [_text(line) for line in lines]

    def finish(self) -> list[str]:
        """What was left without an end of line."""
        left, self.rest = self.rest, b""
        return [_text(left)] if left else []


def _pieces(line: bytes) -> Iterator[bytes]:
    if not line:
        yield line
    for start in range(0, len(line), LONGEST):
        yield line[start : start + LONGEST]


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")


def new_file(name: str) -> int:
    return os.memfd_create(name, os.MFD_CLOEXEC)


def read_all(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def write_all(fd: int, data: bytes) -> None:
    """Replace the content of `fd`: length first, so a reader never takes half of a shorter one for the whole."""
    os.pwrite(fd, len(data).to_bytes(8, "big") + data, 0)


def read_whole(fd: int) -> bytes:
    """What `write_all` wrote last; empty when nothing was."""
    raw = read_all(fd)
    return raw[8 : 8 + int.from_bytes(raw[:8], "big")]


class Ring:
    """Two memfd segments written in turn. `on_line` is told of every line added."""

    def __init__(self, segments: tuple[int, int], on_line: Callable[[LogLine], None], size: int = SEGMENT) -> None:
        self._segments = segments
        self._on_line = on_line
        self._size = size
        last = [max((line.seq for line in self._segment(n)), default=0) for n in (0, 1)]
        self.seq = max(last)
        self._current = last.index(self.seq)
        self._used = os.fstat(segments[self._current]).st_size

    def add(self, stream: Stream, texts: list[str]) -> None:
        """Append `texts` in one write, then tell of them."""
        now = datetime.now(UTC)
        lines = [LogLine(self.seq + n, now, stream, text) for n, text in enumerate(texts, 1)]
        if not lines:
            return
        self._write(b"".join(_record(line) for line in lines))
        self.seq = lines[-1].seq
        for line in lines:
            self._on_line(line)

    def lines(self, after: int = 0) -> Iterator[LogLine]:
        for number in (1 - self._current, self._current):
            yield from self._segment(number, after)

    def _write(self, data: bytes) -> None:
        if self._used and self._used + len(data) > self._size:
            self._current = 1 - self._current
            os.ftruncate(self._segments[self._current], 0)
            self._used = 0
        os.pwrite(self._segments[self._current], data, self._used)
        self._used += len(data)

    def _segment(self, number: int, after: int = 0) -> Iterator[LogLine]:
        for raw in read_all(self._segments[number]).splitlines():
            try:
                if int(raw[1 : raw.index(b",")]) <= after:
                    continue
                seq, at, stream, text = json.loads(raw)
            except ValueError:
                continue  # the agent was killed in the middle of this one
            yield LogLine(seq, datetime.fromtimestamp(at, UTC), cast(Stream, stream), text)


def _record(line: LogLine) -> bytes:
    return json.dumps([line.seq, line.at.timestamp(), line.stream, line.text]).encode() + b"\n"
