"""A whole disk out to a stream, and a stream onto a disk: what snapshots and backups are made of.

The stream is tar through zstd with a checksum, of any size, and needs no end told: one that is cut short is refused.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from apps.core import claims, room
from apps.core.errors import Conflict
from apps.core.failpoints import failpoint
from apps.deployments.disk_paths import made, prepared_path
from apps.disks import streams
from apps.disks.places import Disk
from apps.disks.quiet import quiet
from apps.disks.streams import Seen, nothing


@dataclass(frozen=True, slots=True)
class Written:
    """`size`: bytes of the stream. `paused`: seconds in which nothing wrote to the disk."""

    size: int
    paused: float


def write(disk: Disk, out: IO[bytes], *, why: str = "for a backup", check: Callable[[], None] = nothing) -> Written:
    """The content of `disk` at one moment, at which its app or database was stopped in order, to `out`.

    However slow `out` is, the app is stopped for the time of a local copy only. `why` completes "Stopped …" in its
    events; `check` is called all the time and may raise to end it. Raises UserError("no_room"), Conflict("disk_in_use")
    and PlatformError.
    """
    with copied(disk, why=why, check=check) as (file, written):
        while data := file.read(streams.CHUNK):
            check()
            out.write(data)
    return written


@contextmanager
def copied(
    disk: Disk, *, why: str, check: Callable[[], None] = nothing, seen: Seen | None = None
) -> Iterator[tuple[IO[bytes], Written]]:
    """What `write` writes, as a file of this host that is gone afterwards."""
    with _workroom(disk) as directory, open(directory / "content", "w+b") as file:
        written = local(disk, file, why=why, check=check, seen=seen)
        file.seek(0)
        yield file, written


def restore(
    disk: Disk, source: IO[bytes], *, key: str, why: str = "for a restore", check: Callable[[], None] = nothing
) -> Path:
    """Replace the content of `disk` by that of `source`, whole or not at all; where the former content is now.

    `key` names this restore, in letters and digits: a second call with it goes on after a process that died, and
    replaces nothing twice. The app or database is stopped for the moment of the exchange alone. The former content is
    the caller's to `drop`. Raises what `write` raises, and UserError("archive_broken"); the disk is then as it was.
    """
    if not disk.beside("aside", key).exists():
        drop(prepared_path(disk.pod.pk, disk.name))  # of one that died before it exchanged anything
        fill(disk, source, key=key, check=check)
    return exchange(disk, key=key, why=why, check=check)


def exchange(disk: Disk, *, key: str, why: str, check: Callable[[], None] = nothing) -> Path:
    """The second half of `restore`: what `fill` made for `key` in the place of what is there."""
    aside, incoming = disk.beside("aside", key), disk.beside("incoming", key)
    prepared = prepared_path(disk.pod.pk, disk.name)
    if not aside.exists():
        try:
            with quiet(disk, why, check=check):
                made(disk.pod.pk, disk.name)
                aside.parent.mkdir(exist_ok=True)
                prepared.parent.mkdir(exist_ok=True)
                failpoint("disk.exchange", disk.pod.pk)
                incoming.rename(prepared)
                failpoint("disk.prepared", disk.pod.pk)
                disk.path.rename(aside)
                failpoint("disk.aside", disk.pod.pk)
                made(disk.pod.pk, disk.name)
        finally:
            drop(incoming)
            if disk.path.exists():
                drop(prepared)
    made(disk.pod.pk, disk.name)  # takes what is prepared, if whoever was here before died in between
    return aside


def prepare(disk: Disk, name: str, source: IO[bytes], *, key: str, check: Callable[[], None] = nothing) -> None:
    """Have the content of `source` on the disk `name` of the same pod, which is not deployed yet, once it is.

    Raises what `restore` raises, and Conflict("disk_exists").
    """
    prepared = prepared_path(disk.pod.pk, name)
    if (disk.path.parent / name).exists():
        raise Conflict("disk_exists", f"There is a disk {name} with something on it.", "Choose another name.")
    incoming = fill(disk, source, key=key, check=check)
    prepared.parent.mkdir(exist_ok=True)
    drop(prepared)
    incoming.rename(prepared)


def local(
    disk: Disk, file: IO[bytes], *, why: str, check: Callable[[], None] = nothing, seen: Seen | None = None
) -> Written:
    """`write` to a file of this host: where the file system shares blocks, the app waits for no copy at all."""
    room.check()
    with _workroom(disk) as directory:
        began = time.monotonic()
        with quiet(disk, why, check=check):
            made(disk.pod.pk, disk.name)
            began = time.monotonic()
            copy = _shared(disk.path, directory)
            if copy is None:
                _pack(disk.path, file, check, seen)
            paused = time.monotonic() - began
        if copy is not None:
            _pack(copy, file, check, seen)
    return Written(file.tell(), paused)


def tree(directory: Path, file: IO[bytes], *, check: Callable[[], None] = nothing) -> Written:
    """The same of a directory that nothing writes to."""
    room.check()
    _pack(directory, file, check)
    return Written(file.tell(), 0.0)


def drop(directory: Path) -> None:
    """Remove a tree of the platform's own places. Nothing there is no error."""
    shutil.rmtree(directory, ignore_errors=True)


def fill(disk: Disk, source: IO[bytes], *, key: str, check: Callable[[], None]) -> Path:
    """A new directory beside the disk with the content of `source`."""
    return filled(disk, lambda directory: streams.unpack(source, directory, check=check), key=key)


def filled(disk: Disk, put: Callable[[int], object], *, key: str) -> Path:
    """A new directory beside the disk with what `put` puts into it, which is given its descriptor."""
    incoming = disk.beside("incoming", key)
    drop(incoming)
    incoming.mkdir(parents=True)
    descriptor = os.open(incoming, os.O_RDONLY | os.O_DIRECTORY)
    try:
        room.check()
        put(descriptor)
        subprocess.run(["sync", "--file-system", str(incoming)], check=True)  # before anything older is let go
    except BaseException:
        drop(incoming)
        raise
    finally:
        os.close(descriptor)
    return incoming


def _pack(directory: Path, file: IO[bytes], check: Callable[[], None], seen: Seen | None = None) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for number, data in enumerate(streams.packed(descriptor, seen=seen)):
            check()
            if number % streams.ROOM_EVERY == 0:
                room.check()
            file.write(data)
    finally:
        os.close(descriptor)


def _shared(path: Path, into: Path) -> Path | None:
    """A copy of the tree that shares its blocks, within moments; None where the file system does not do that."""
    copy = into / "copy"
    if not _shares(into):
        return None
    command = ["cp", "--archive", "--no-target-directory", "--reflink=always", "--", str(path), str(copy)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return copy if done.returncode == 0 else None


def _shares(directory: Path) -> bool:
    probe = directory / "probe"
    probe.write_bytes(b"\0" * 65536)
    command = ["cp", "--reflink=always", "--", str(probe), str(directory / "probed")]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


@contextmanager
def _workroom(disk: Disk) -> Iterator[Path]:
    parent = disk.beside("work")
    parent.mkdir(parents=True, exist_ok=True)
    claims.sweep(parent)  # of processes that died
    with claims.claimed(parent, "copy") as directory:
        yield directory
