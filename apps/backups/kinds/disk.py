"""Disks: everything on one as it was at one moment, at which nothing wrote to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import zstandard

from apps.backups.kinds.base import Loaded, Rows
from apps.backups.sealing import BLOCK, Readable
from apps.core.errors import PlatformError
from apps.deployments.disk_paths import made, prepared_path
from apps.disks import archive, places, streams
from apps.disks.streams import Seen

ENTRIES = "files and directories"  # what is counted of a disk


@dataclass(frozen=True, slots=True)
class At:
    """A disk of what is live."""

    disk: places.Disk
    version: str = ""


class _Tar:
    """The content as plain tar: what is sealed is compressed anyway, and is opened with `tar` alone."""

    extension = "tar"

    def __init__(self, file: IO[bytes], entries: int) -> None:
        self._plain = zstandard.ZstdDecompressor().stream_reader(file, read_size=BLOCK, closefd=False)
        self._entries = entries
        self._whole = False

    def read(self, size: int, /) -> bytes:
        found: bytes = self._plain.read(size)
        self._whole = not found
        return found

    def finish(self) -> Rows:
        if not self._whole:
            raise PlatformError("backup_unfinished", "The copy of the disk was not read to its end.")
        return {ENTRIES: (self._entries, self._entries)}


class Disk:
    """A scratch is a directory beside the disk, which no app sees."""

    @contextmanager
    def dump(self, at: At) -> Iterator[_Tar]:
        seen = Seen()
        with archive.copied(at.disk, why="for a backup", seen=seen) as (file, _):
            yield _Tar(file, seen.entries)

    def load(self, at: At, stream: Readable, scratch: str, step: Callable[[str], None]) -> Loaded:
        step("Unpacking it beside what is there")
        seen = Seen()
        blocks = iter(lambda: stream.read(BLOCK), b"")
        archive.filled(at.disk, lambda into: streams.extract(blocks, into, seen=seen), key=scratch)
        return Loaded({ENTRIES: (seen.entries, seen.entries)})

    def swap(self, at: At, scratch: str, loaded: Loaded) -> None:
        archive.drop(archive.exchange(at.disk, key=scratch, why="to restore a backup"))

    def drop(self, at: At, scratch: str) -> None:
        """After a death in the midst of a swap what was loaded is taken, so that there is one content, and whole."""
        archive.drop(at.disk.beside("incoming", scratch))
        aside = at.disk.beside("aside", scratch)
        if aside.exists():
            made(at.disk.pod.pk, at.disk.name)
            archive.drop(aside)
        elif at.disk.path.exists():
            archive.drop(prepared_path(at.disk.pod.pk, at.disk.name))
