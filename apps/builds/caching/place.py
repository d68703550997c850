"""Where a cache is: a directory of its own for each team, pod, app, zone of trust and generation."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PRODUCTION = "production"
ZONE = re.compile(r"production|untrusted:[a-z0-9][a-z0-9-]{0,39}")
GONE = ".gone"  # in the root: what was renamed aside and waits to be deleted


@dataclass(frozen=True, slots=True)
class Place:
    """`root` is the directory of all caches. A clear raises `generation`, so nothing earlier is found again."""

    root: Path
    team: str
    pod: str
    app: str
    zone: str = PRODUCTION
    generation: int = 1

    def __post_init__(self) -> None:
        if not ZONE.fullmatch(self.zone):
            raise ValueError(f"no zone of trust: {self.zone!r}")

    @property
    def home(self) -> Path:
        """All generations."""
        return self.root / self.team / f"{self.pod}-{self.app}" / self.zone.replace(":", "-")

    @property
    def directory(self) -> Path:
        return self.home / f"g{self.generation}"

    @property
    def scope(self) -> str:
        """What the names of its objects begin with in a store."""
        return f"{self.team}/{self.pod}/{self.app}/{self.zone.replace(':', '-')}/{self.generation}"


@contextmanager
def in_use(directory: Path) -> Iterator[None]:
    """Nothing is taken out of the cache in `directory` while the body runs; ends with the process, too."""
    with _lock(directory) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextmanager
def idle(directory: Path) -> Iterator[bool]:
    """True while nobody uses `directory`, and nobody can begin to as long as the body runs; False: somebody does."""
    with _lock(directory) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def _lock(directory: Path) -> Iterator[int]:
    """Beside the directory, so that it stays when the directory is renamed."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory.with_name(f".{directory.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
