"""What one command of a build may write: into its directories, and into the log.

Time, memory and processes are bounded by the engine. There are no quotas on most file systems, so what is in the
writable directories is looked at every few seconds while the command runs: it may write a little more than it should.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.conf import settings

EVERY = 3.0  # seconds between the end of one look and the next; a look at 100,000 files takes 0.2 s of one core
MB = 1_000_000


@dataclass(slots=True)
class Bounds:
    """`passed()` is cheap: looking happens in a thread of its own. `why`: "disk", "files", "output" or ""."""

    directories: tuple[str, ...]
    why: str = ""
    _printed: int = 0
    _looked_at: float = field(default_factory=time.monotonic)
    _thread: threading.Thread | None = None

    def printed(self, line: str) -> None:
        self._printed += len(line) + 1
        if self._printed > settings.BRAINPOD.build_output_mb * MB:
            self.why = self.why or "output"

    def passed(self) -> bool:
        looking = self._thread is not None and self._thread.is_alive()
        if not self.why and not looking and time.monotonic() - self._looked_at > EVERY:
            self._thread = threading.Thread(target=self._look, daemon=True, name="bounds")
            self._thread.start()
        return bool(self.why)

    def _look(self) -> None:
        config = settings.BRAINPOD
        self.why = self.why or _beyond(self.directories, config.build_disk_mb * MB, config.build_files)
        self._looked_at = time.monotonic()


def _beyond(directories: Iterable[str], most_bytes: int, most_files: int) -> str:
    """Which bound is passed, found without looking further than that."""
    size = files = 0
    left = list(directories)
    while left:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    files += 1
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if size > most_bytes:
                        return "disk"
                    if files > most_files:
                        return "files"
        except OSError:
            continue  # removed while we looked
    return ""
