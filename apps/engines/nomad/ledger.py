"""The numbers and times of a workload's lines, which Nomad does not keep.

Nomad has two files of bytes for each allocation and no times. Whoever looks first, any process of the platform,
writes into a small file what it found new: so many lines, from here to there in that file, now. That gives a line
its number for everybody, and the engine's own sentences theirs, in the order in which they came to be known.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from apps.core.ids import short

MOST = 8000  # entries; then the older half is forgotten
SILENT = 7 * 86400.0  # seconds without a line after which the ledger of what is gone is removed


@dataclass(frozen=True, slots=True)
class Entry:
    """`count` lines from `first` on, seen at `at` (ns): bytes [start, end) of a stream's file `number`, or a `text`."""

    first: int
    count: int
    at: int
    allocation: str
    stream: Literal["out", "err", "engine"]
    number: int = 0
    start: int = 0
    end: int = 0
    text: str = ""

    @property
    def last(self) -> int:
        return self.first + self.count - 1


class Ledger:
    """Of one workload. Entries are read once by each reader, and then only what was added."""

    def __init__(self, directory: Path, workload: str) -> None:
        self._path = directory / f"{short(workload, 24)}.lines"
        self._read: tuple[int, int] = (0, 0)  # inode and length of what `entries` is
        self.entries: list[Entry] = []

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One writer at a time; the kernel lets go of the lock of one that is killed."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.refresh()
            yield
        finally:
            os.close(lock)

    def refresh(self) -> None:
        try:
            with self._path.open("rb") as file:
                info = os.fstat(file.fileno())
                inode, length = self._read
                if inode != info.st_ino or info.st_size < length:
                    self.entries, length = [], 0
                file.seek(length)
                raw = file.read()
        except FileNotFoundError:
            self._read, self.entries = (0, 0), []
            return
        whole = raw[: raw.rfind(b"\n") + 1]  # the rest is of a writer that was killed
        self.entries += [Entry(*json.loads(line)) for line in whole.splitlines()]
        self._read = (info.st_ino, length + len(whole))

    @property
    def last(self) -> int:
        """The number of the last line there was."""
        return self.entries[-1].last if self.entries else 0

    def position(self, allocation: str, stream: str) -> tuple[int, int]:
        """(file, offset) after the last line of that stream."""
        for entry in reversed(self.entries):
            if entry.allocation == allocation and entry.stream == stream:
                return entry.number, entry.end
        return 0, 0

    def told(self, allocation: str) -> int:
        """The time of the last of Nomad's events that is among the entries."""
        return max(
            (entry.end for entry in self.entries if entry.allocation == allocation and entry.stream == "engine"),
            default=0,
        )

    def add(self, entries: list[Entry]) -> None:
        """While `writing`."""
        if not entries:
            return
        if len(self.entries) + len(entries) > MOST:
            self._forget()
        inode, length = self._read
        data = b"".join(_record(entry) for entry in entries)
        with open(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b") as file:
            file.truncate(length)  # half a line of a writer that was killed
            file.seek(length)
            file.write(data)
            inode = os.fstat(file.fileno()).st_ino
        self.entries += entries
        self._read = (inode, length + len(data))

    def _forget(self) -> None:
        kept = self.entries[-MOST // 2 :]
        beside = self._path.with_suffix(".new")
        data = b"".join(_record(entry) for entry in kept)
        beside.write_bytes(data)
        beside.replace(self._path)
        self.entries, self._read = kept, (self._path.stat().st_ino, len(data))


def _record(one: Entry) -> bytes:
    values = [
        one.first, one.count, one.at, one.allocation, one.stream, one.number, one.start, one.end, one.text
    ]  # fmt: skip
    return json.dumps(values).encode() + b"\n"


def sweep(directory: Path, now: float) -> None:
    """Remove the ledgers that nobody has written to for long."""
    for path in directory.glob("*.l*"):
        try:
            if now - path.stat().st_mtime > SILENT:
                path.unlink()
        except OSError:
            continue
