"""Room on the disk that the platform keeps its state on: what makes much of it is refused while there is little.

What serves needs none, and what is refused early can be told: a database that cannot write its answer tells nothing.
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from apps.core.errors import UserError

STATUS = 507  # Insufficient Storage
FULL = ("database or disk is full", "no space left on device", "could not extend file", "disk full")
HINT = "Make room on it: delete pods, disks or old logs, or give it more. What runs goes on running."


def free_mb() -> int:
    """MB that are free for the state directory."""
    state: Path = settings.BRAINPOD.state
    return shutil.disk_usage(next(path for path in (state, *state.parents) if path.exists())).free // 2**20


def check() -> None:
    """Raise UserError("no_room") while less is free than BRAINPOD_SPARE_MB."""
    free, spare = free_mb(), settings.BRAINPOD.spare_mb
    if free < spare:
        words = f"The platform's disk has {free} MB left; below {spare} MB nothing new is built."
        raise UserError("no_room", words, HINT, status=STATUS)


def full(error: BaseException) -> UserError | None:
    """The same for a write that failed for want of room; None for any other failure."""
    lacking = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if lacking or (isinstance(error, DatabaseError) and any(words in str(error).lower() for words in FULL)):
        return UserError("no_room", "The platform's disk is full: nothing was changed.", HINT, status=STATUS)
    return None
