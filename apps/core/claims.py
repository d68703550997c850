"""Directories that belong to the process that made them, and are anybody's to remove once it has ended.

The process holds a lock on the directory itself (flock), which the system takes back with the process, however it
ended: no clock and no process number is asked, and a process in another container counts. Their names end in `MARK`;
whatever else lies beside them is left alone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = ".own"
_held: dict[str, int] = {}  # path → the descriptor that holds its lock
_holding = threading.Lock()  # of this process's threads: a number is another file's once it is closed


def claim(parent: Path, prefix: str) -> Path:
    """A new directory in `parent`, this process's until `end`, or until the process ends."""
    _let_go_of_removed()
    while True:
        made = Path(tempfile.mkdtemp(prefix=prefix, suffix=MARK, dir=parent))
        try:
            descriptor = _open(made)
        except FileNotFoundError:
            continue  # a sweep came between
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # a sweep that holds it removes it, and does not hold it for long
        if _is_there(made, descriptor):
            with _holding:
                _held[str(made)] = descriptor
            return made
        os.close(descriptor)


def end(directory: Path) -> None:
    """Remove what `claim` made."""
    shutil.rmtree(directory, ignore_errors=True)
    with _holding:
        descriptor = _held.pop(str(directory), None)
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def claimed(parent: Path, prefix: str) -> Iterator[Path]:
    """A directory of the body alone, gone afterwards."""
    directory = claim(parent, prefix)
    try:
        yield directory
    finally:
        end(directory)


def sweep(parent: Path, prefix: str = "") -> list[str]:
    """Remove the claimed directories in `parent` whose process has ended, of this user; the names of those removed."""
    removed = []
    for directory in sorted(parent.glob(f"{prefix}*{MARK}")) if parent.is_dir() else ():
        try:
            descriptor = _open(directory)
        except OSError:
            continue  # gone meanwhile, or no directory
        try:
            if os.fstat(descriptor).st_uid == os.geteuid() and _is_free(descriptor):
                shutil.rmtree(directory, ignore_errors=True)
                removed.append(directory.name)
        finally:
            os.close(descriptor)
    return removed


def is_claim(name: str) -> bool:
    return name.endswith(MARK)


def _open(directory: Path) -> int:
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _is_free(descriptor: int) -> bool:
    """Whether nobody holds it. If so it is held now: whoever is about to claim it finds it gone."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False  # in use, or a file system that does not lock
    return True


def _is_there(directory: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(directory, follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _let_go_of_removed() -> None:
    """Of directories that somebody removed without `end`."""
    with _holding:
        for path, descriptor in list(_held.items()):
            if not _is_there(Path(path), descriptor):
                del _held[path]
                os.close(descriptor)
