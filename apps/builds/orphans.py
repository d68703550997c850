"""What ended processes left on this machine: taken away while others work, soon after the start and every minute.

Whatever ended them, the lock on what they were making went with them (apps.core.claims), so that nothing is guessed by
age and nothing is taken from a process that lives. What sandboxes and apps leave is their engine's own to clear.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time

import structlog
from django.conf import settings

from apps import artifacts, sources
from apps.builds.image import layers

log = structlog.get_logger(__name__)
EVERY = 60.0  # seconds


def sweep() -> int:
    """Build directories, unfinished artifacts and fetched trees, repositories being made, ssh agents' directories;
    how many."""
    removed = artifacts.artifacts().sweep_scratch() + sources.source().sweep() + layers.sweep()
    if removed:
        log.info("orphans_removed", directories=removed)
    return removed


def sweep_when_due() -> bool:
    """Whether it was due, and no other process of this machine is at it."""
    mark = os.open(settings.BRAINPOD.state / ".swept", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        last = os.fstat(mark)
        if last.st_size and abs(time.time() - last.st_mtime) < EVERY:
            return False
        sweep()
        os.pwrite(mark, b"1", 0)
    except BlockingIOError:
        return False
    finally:
        os.close(mark)
    return True


class Sweeper:
    """A thread that sweeps as long as its process lives: one in each of a worker's pool, whoever is first."""

    def __init__(self) -> None:
        threading.Thread(target=self._run, daemon=True, name="orphans").start()

    def _run(self) -> None:
        while True:
            try:
                sweep_when_due()
            except Exception:
                log.exception("orphans_left")
            time.sleep(EVERY)
