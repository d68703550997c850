"""Identifiers: short, sortable by time, safe in URLs, file names, host names and unit names."""

from __future__ import annotations

import functools
import hashlib
import mmap
import os
import secrets
import threading
import time
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
_guard = threading.Lock()


def new_id() -> str:
    """16 characters: 45 bits of milliseconds, then 35 random bits.

    What is newer has the greater one on this host, also after its clock was set back: the newest deployment, backup or
    run is told by it.
    """
    number = _moment(time.time_ns() // 1_000_000) << 35 | secrets.randbits(35)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -5, -5))


def short(text: str, length: int = 8) -> str:
    """`length` hex digits that stand for `text`, the same every time: for names that may not be as long as it."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _moment(now: int) -> int:
    """`now` in milliseconds, or the one after the latest that was given to anybody who shares the state directory."""
    try:
        newest = _newest(Path(settings.BRAINPOD.state) / "newest-id")
    except (ImproperlyConfigured, OSError):
        return now  # nothing to remember it in: no settings, no directory yet, or a full disk
    with _guard:
        before = int.from_bytes(newest[:], "big")
        moment = now if now >= before else before + 1
        newest[:] = moment.to_bytes(8, "big")
    return moment


@functools.lru_cache(1)
def _newest(path: Path) -> mmap.mmap:
    """The file that all processes map. What two of them write in the same moment differs by a few milliseconds."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(file).st_size < 8:
            os.posix_fallocate(file, 0, 8)  # a hole that finds no room later would end the process
        return mmap.mmap(file, 8)
    finally:
        os.close(file)
