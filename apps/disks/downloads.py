"""What leaves a disk: a file, or a directory as tar through zstd, piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.core.errors import Conflict, NotFound
from apps.disks import audit, beneath, streams
from apps.disks.names import plain, shown
from apps.disks.places import Disk

if TYPE_CHECKING:
    from apps.accounts.models import User

CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Download:
    """`name`: what any machine can save it as. `size`: in bytes, if it is known before."""

    name: str
    size: int | None
    content: Iterator[bytes]


def download(*, disk: Disk, at: Sequence[bytes], by: User | None, address: str = "") -> Download:
    """Of the file or directory at `at`. Raises NotFound, Conflict("disk_link" | "disk_no_file").

    A file that grows meanwhile is cut at the size it had; a directory is as it is while it is read, which is no
    moment: that is what snapshots are for. The content holds descriptors until it is read to its end or closed.
    """
    audit.record(
        pod=disk.pod, disk=disk.name, by=by, did="Downloaded", path=shown(b"/".join(at)) or "everything",
        address=address,
    )  # fmt: skip
    name = plain(at[-1]) if at else disk.name
    with ExitStack() as opened:
        root = opened.enter_context(beneath.top(disk.path))
        try:
            file = opened.enter_context(beneath.file(root, at))
        except Conflict as error:
            if error.code != "disk_no_file":
                raise
            try:
                directory = opened.enter_context(beneath.directory(root, at))
            except NotFound:
                raise error from None
            return Download(f"{name}.tar.zst", None, Held(opened.pop_all(), streams.packed(directory, changes=True)))
        size = os.fstat(file).st_size
        return Download(name, size, Held(opened.pop_all(), _pieces(file, size)))


class Held:
    """`content`, and what is open for it until it was read or closed, even if it was never begun."""

    def __init__(self, held: ExitStack, content: Iterator[bytes]) -> None:
        self._held, self._content = held, content

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._content)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        close = getattr(self._content, "close", None)
        if close is not None:
            close()
        self._held.close()


def _pieces(file: int, size: int) -> Iterator[bytes]:
    while size and (data := os.read(file, min(CHUNK, size))):
        size -= len(data)
        yield data
