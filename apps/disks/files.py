"""Directories and small texts on a disk, read and changed by people; every change is written down."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import transaction

from apps.core import room
from apps.core.errors import Conflict, Detail, Invalid, NotFound, UserError
from apps.deployments import disk_locks, wake
from apps.disks import archive, audit, beneath
from apps.disks.names import new_name, shown
from apps.disks.places import Disk

if TYPE_CHECKING:
    from apps.accounts.models import User

TEXT = 262_144  # bytes of a text that is shown and edited
REMOVE = "disks.remove"
KEPT_BITS = 0o777  # of a mode: what is written by people is never set-uid
Parts = Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Text:
    """`seen` tells this content from any other."""

    text: str
    seen: str


@contextmanager
def changing(disk: Disk) -> Iterator[int]:
    """The top of a disk that people may write to, shared with its app, never with a copy or a restore.

    Raises Conflict("disk_of_database"), Unavailable("disk_busy") and UserError("no_room").
    """
    if disk.database:
        words = f"{disk.name} has the data of {disk.user}, which its server alone may change."
        raise Conflict("disk_of_database", words, "Use the database itself; files can be downloaded.")
    with disk_locks.writing(disk.pod.pk, [disk.name]), beneath.top(disk.path) as root:
        try:
            yield root
        except OSError as error:
            raise told(error) from error


def told(error: OSError) -> UserError:
    """What the file system refused, for people."""
    match error.errno:
        case errno.EEXIST | errno.ENOTEMPTY:
            return Invalid([Detail("name", "is there already: choose another one.")])
        case errno.ENOENT | errno.ENOTDIR:
            return NotFound("such file or directory on this disk any more")
    full = room.full(error)
    return full or Conflict("disk_refused", f"The file system says: {error.strerror}.", "Nothing was changed.")


def own(descriptor: int, root: int) -> None:
    """Give what was made to whoever has the disk: its app's own user, on every engine."""
    if os.geteuid() == 0:
        info = os.fstat(root)
        os.fchown(descriptor, info.st_uid, info.st_gid)


def make_directory(*, disk: Disk, at: Parts, name: str, by: User | None, address: str = "") -> None:
    """Raises Invalid naming `name`."""
    new = new_name(name)
    with changing(disk) as root, beneath.directory(root, at) as parent:
        os.mkdir(new, 0o755, dir_fd=parent)
        with beneath.directory(parent, (new,)) as made:
            own(made, root)
    _record(disk, by, "Made a directory", (*at, new), address)


def rename(*, disk: Disk, at: Parts, name: bytes, new: str, by: User | None, address: str = "") -> None:
    """Within its directory; replaces nothing. Raises Invalid naming `name`."""
    target = new_name(new)
    _one(name)
    with changing(disk) as root, beneath.directory(root, at) as parent:
        beneath.rename(parent, name, parent, target)
    _record(disk, by, "Renamed", (*at, name + b" > " + target), address)


def delete(*, disk: Disk, at: Parts, name: bytes, by: User | None, address: str = "") -> None:
    """Whatever is called so; a directory with all that is in it, which a worker takes apart."""
    _one(name)
    _record(disk, by, "Deleted", (*at, name), address)
    with changing(disk) as root, beneath.directory(root, at) as parent:
        if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=parent)
            return
        aside = disk.beside(f"discarded-{time.time_ns()}")
        os.rename(name, os.fsencode(aside), src_dir_fd=parent)
    transaction.on_commit(lambda: wake.wake(REMOVE, disk.pod.pk))


def remove_discarded(root: Path) -> None:
    """What was deleted of a pod's disks; `root` is the pod's own directory."""
    for gone in root.glob("discarded-*"):
        archive.drop(gone)


def text_of(disk: Disk, at: Parts) -> Text:
    """Raises what `beneath.file` raises, and Conflict("disk_no_text") for what is large or no text."""
    with beneath.top(disk.path) as root, beneath.file(root, at) as file:
        return _text(_read(file))


def save_text(*, disk: Disk, at: Parts, text: str, seen: str, by: User | None, address: str = "") -> None:
    """Replace the whole content at once. Raises Conflict("disk_file_changed") when it is not what was `seen`."""
    data = text.replace("\r\n", "\n").encode()
    if len(data) > TEXT:
        raise Invalid([Detail("text", f"must be at most {TEXT // 1024} KB: upload larger files.")])
    with changing(disk) as root, beneath.directory(root, at[:-1]) as parent:
        with beneath.file(parent, at[-1:]) as old:
            if _text(_read(old)).seen != seen:
                raise Conflict("disk_file_changed", "This file was changed meanwhile.", "Open it again, then edit it.")
            info = os.fstat(old)
        with scratch(disk) as (path, descriptor):
            os.write(descriptor, data)
            os.fchmod(descriptor, stat.S_IMODE(info.st_mode) & KEPT_BITS)
            if os.geteuid() == 0:
                os.fchown(descriptor, info.st_uid, info.st_gid)
            os.fsync(descriptor)
            os.rename(os.fsencode(path), at[-1], dst_dir_fd=parent)
    _record(disk, by, "Edited", at, address)


@contextmanager
def scratch(disk: Disk) -> Iterator[tuple[Path, int]]:
    """A new file where no app can reach it, on the same file system: to be moved onto the disk, or gone."""
    room.check()
    path = disk.beside("uploads", secrets.token_hex(8))
    path.parent.mkdir(exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield path, descriptor
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _read(file: int) -> bytes:
    data = b""
    while len(data) <= TEXT and (more := os.read(file, TEXT + 1 - len(data))):
        data += more
    return data


def _text(data: bytes) -> Text:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if len(data) > TEXT or "\0" in text:
        words = f"Only texts of at most {TEXT // 1024} KB in UTF-8 are shown."
        raise Conflict("disk_no_text", words, "Download it instead.")
    return Text(text, hashlib.sha256(data).hexdigest())


def _one(name: bytes) -> None:
    if not name or b"/" in name or name in (b".", b".."):
        raise Invalid([Detail("name", "is no name of something here.")])


def _record(disk: Disk, by: User | None, did: str, path: Parts, address: str) -> None:
    audit.record(pod=disk.pod, disk=disk.name, by=by, did=did, path=shown(b"/".join(path)), address=address)
