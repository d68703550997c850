"""Writes the request log: every line of the access log that is about a route, once, whatever dies.

`position.json` says how far the access log was read and, while lines are being added, how long the files were before.
Whoever comes next cuts them back to that and reads the same lines again.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from apps.edge import access_log
from apps.edge.journal import segments

# No value of a line has a bare quotation mark, so this is its own field and nothing a client wrote into another.
_POD = re.compile(f'"route":"({access_log.POD})/'.encode())

LONGEST = 86400.0  # seconds a segment is written to: what is to be forgotten goes by whole ones

Piece = tuple[str, int, bytes]
"""Which file of the access log (a name that stays the same when it is renamed), from which byte on, complete lines."""


class Keeper:
    """One at a time writes beneath `root`; others' `keep` does nothing while it lives."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock: IO[str] | None = None
        self._offsets: dict[str, int] = {}
        self._writing: dict[str, tuple[int, float]] = {}  # the number of a pod's segment, and since when it is

    def keep(self, pieces: Iterable[Piece]) -> None:
        """Add what of `pieces` was not added before. Raises OSError: what could not be written is not in the log."""
        if not self._mine():
            return
        offsets = dict(self._offsets)
        found: dict[str, list[bytes]] = {}
        for name, at, data in pieces:
            fresh = data[max(0, self._offsets.get(name, 0) - at) :]
            _sort(fresh, found)
            offsets[name] = max(offsets.get(name, 0), at + len(data))
        if offsets == self._offsets:
            return
        try:
            full = self._add(offsets, {pod: b"\n".join([*lines, b""]) for pod, lines in found.items()})
            for pod, number in full:
                segments.close(self.root / pod, number)
                self._writing[pod] = (number + 1, time.time())
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Let another one write."""
        if self._lock:
            self._lock.close()
        self._lock = None

    def _mine(self) -> bool:
        if self._lock:
            return True
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (self.root / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        self._writing.clear()
        self._recover()
        return True

    def _recover(self) -> None:
        said = self._position()
        for pod, number, length in said.get("adding", ()):
            path = segments.active(self.root / pod, number)
            if path.exists() and path.stat().st_size > length:
                os.truncate(path, length)
        for directory in self.root.iterdir():
            if directory.is_dir():
                segments.mend(directory)
        self._offsets = said.get("offsets", {})

    def _position(self) -> dict[str, Any]:
        try:
            said: dict[str, Any] = json.loads((self.root / "position.json").read_text())
        except (OSError, ValueError):
            return {}
        return said

    def _note(self, adding: list[tuple[str, int, int]]) -> None:
        beside = self.root / ".position.json"
        beside.write_text(json.dumps({"offsets": self._offsets, "adding": adding}))
        beside.replace(self.root / "position.json")

    def _add(self, offsets: dict[str, int], texts: dict[str, bytes]) -> list[tuple[str, int]]:
        """Add the text of each pod; which segments are full now, or have been written to for long enough."""
        adding = []
        for pod in texts:
            number, _ = self._segment(pod)
            path = segments.active(self.root / pod, number)
            adding.append((pod, number, path.stat().st_size if path.exists() else 0))
        self._note(adding)
        for pod, number, _ in adding:
            directory = self.root / pod
            directory.mkdir(exist_ok=True, mode=0o700)
            _append(segments.active(directory, number), texts[pod])
        # Of files of the access log that have gone nothing needs to be known: at most two are there.
        self._offsets = dict(list(offsets.items())[-4:])
        self._note([])
        old = time.time() - LONGEST
        return [
            (pod, number)
            for pod, number, before in adding
            if before + len(texts[pod]) >= segments.SIZE or self._segment(pod)[1] < old
        ]

    def _segment(self, pod: str) -> tuple[int, float]:
        if pod not in self._writing:
            known = segments.segments(self.root / pod)
            last = known[-1] if known else None
            began = segments.began(last) if last and not last.closed else time.time()
            self._writing[pod] = (last.number + last.closed if last else 0, began)
        return self._writing[pod]


def _sort(data: bytes, found: dict[str, list[bytes]]) -> None:
    """Each line to its pod; those of no route are left out."""
    for line in data.split(b"\n"):
        if match := _POD.search(line):
            found.setdefault(match[1].decode(), []).append(line)


def _append(path: Path, text: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as file:
        file.write(text)
