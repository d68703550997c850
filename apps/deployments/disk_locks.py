"""One writer at a time: who starts what writes to disks shares them meanwhile, who needs one quiet has it alone.

The lock is the system's (flock, on a file beside the disk), so it ends with the process that holds it, however that
ended. What runs already is no holder of it: whoever has a disk alone stops that first, and nothing can be started then.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from apps.core.errors import Unavailable
from apps.deployments.disk_paths import disk_path


@contextmanager
def writing(pod_id: str, disks: Sequence[str]) -> Iterator[None]:
    """Held while something that writes to `disks` is started, or is run to its end.

    Raises Unavailable("disk_busy") while somebody has one of them alone: it is to be tried again.
    """
    with ExitStack() as held:
        for disk in sorted(disks):
            if not held.enter_context(_locked(pod_id, disk, fcntl.LOCK_SH)):
                words = f"The disk {disk} is being copied or restored: nothing that writes to it is started meanwhile."
                raise Unavailable("disk_busy", words, "It is tried again by itself.")
        yield


@contextmanager
def alone(pod_id: str, disk: str) -> Iterator[bool]:
    """Whether nobody else holds it; if so nothing that writes to `disk` is started while the body runs."""
    with _locked(pod_id, disk, fcntl.LOCK_EX) as mine:
        yield mine


@contextmanager
def _locked(pod_id: str, disk: str, how: int) -> Iterator[bool]:
    descriptor = os.open(_file(pod_id, disk), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def _file(pod_id: str, disk: str) -> Path:
    locks = disk_path(pod_id, disk).parent.parent / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    return locks / disk
