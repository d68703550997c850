"""The files of one pod's request log.

`00000012.log` is being written to; once it has SIZE bytes it becomes `00000012-<lines>-<last>.zst`, with how many
lines it has and when the last one was written, in seconds of the epoch. A line is one of the access log, as it was. A
line's place is the number of its file and its own number in it, from 0: it never changes.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import zstandard

from apps.edge import access_log

SIZE = 1024 * 1024  # bytes of lines, from which on a file is closed
LARGEST = 64 * 1024 * 1024  # bytes that a closed file may have once it is unpacked
_NAME = re.compile(r"([0-9]{8,})(?:\.log|-([0-9]+)-([0-9]+)\.zst)")


@dataclass(frozen=True, slots=True)
class Segment:
    """`lines` and `last` of a closed one; of the one being written to both are 0."""

    path: Path
    number: int
    closed: bool
    lines: int = 0
    last: int = 0

    def read(self) -> list[bytes]:
        """Its complete lines; none if it is gone, or cannot be read any more."""
        try:
            data = self.path.read_bytes()
            if self.closed:
                data = zstandard.ZstdDecompressor().decompress(data, max_output_size=LARGEST)
        except FileNotFoundError:
            return self._once_closed()
        except zstandard.ZstdError:
            return []
        return data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]

    def _once_closed(self) -> list[bytes]:
        """It was closed between being found and being read; its lines have kept their places."""
        if self.closed:
            return []
        found = [one for one in segments(self.path.parent) if one.number == self.number and one.closed]
        return found[0].read() if found else []


def folder(root: Path, pod: str) -> Path:
    """Raises ValueError for what is no pod's id: it becomes part of a path."""
    if not re.fullmatch(access_log.POD, pod):
        raise ValueError(f"{pod!r} is no pod's id")
    return root / pod


def active(directory: Path, number: int) -> Path:
    return directory / f"{number:08}.log"


def segments(directory: Path) -> list[Segment]:
    """Those of a pod, the oldest first. One that is just being closed is there once, as the closed one."""
    found: dict[int, Segment] = {}
    with contextlib.suppress(FileNotFoundError):
        for path in directory.iterdir():
            if not (match := _NAME.fullmatch(path.name)):
                continue
            number, closed = int(match[1]), bool(match[2])
            if closed or number not in found:
                found[number] = Segment(path, number, closed, int(match[2] or 0), int(match[3] or 0))
    return [found[number] for number in sorted(found)]


def began(one: Segment) -> float:
    """When the first line of a segment that is written to was, in seconds of the epoch."""
    try:
        with one.path.open("rb") as file:
            return float(json.loads(file.readline(65536).decode("utf-8", "replace"))["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def close(directory: Path, number: int) -> None:
    """Pack the segment that was written to. One that died in between left both: the next one takes the rest away."""
    path = active(directory, number)
    data = path.read_bytes()
    lines = data.count(b"\n")
    packed = directory / f"{number:08}-{lines}-{int(time.time())}.zst"
    beside = directory / f".{number:08}.zst"
    beside.write_bytes(zstandard.compress(data, 6))
    beside.chmod(0o600)
    beside.replace(packed)
    path.unlink()


def mend(directory: Path) -> None:
    """Take away what one who died while closing a segment left beside the closed one."""
    for one in segments(directory):
        if one.closed:
            active(directory, one.number).unlink(missing_ok=True)


def forget(root: Path, *, pods: Iterable[str], days: int, rows: int) -> int:
    """Drop what is older than `days`, or behind the newest `rows` lines of its pod, and all of pods not in `pods`.

    Whole files go; the one being written to when nothing was written for so long. How many went.
    """
    kept, gone = set(pods), 0
    for directory in root.iterdir() if root.is_dir() else ():
        if not directory.is_dir():
            continue
        if directory.name not in kept:
            shutil.rmtree(directory, ignore_errors=True)
            gone += 1
            continue
        newer = 0
        oldest = time.time() - days * 86400
        for one in reversed(segments(directory)):
            if (one.closed and newer >= rows) or _last(one) < oldest:
                one.path.unlink(missing_ok=True)
                gone += 1
            newer += one.lines
    return gone


def _last(one: Segment) -> float:
    try:
        return one.last if one.closed else one.path.stat().st_mtime
    except FileNotFoundError:
        return time.time()  # it was closed meanwhile: another time
