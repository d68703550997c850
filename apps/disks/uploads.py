"""A file onto a disk, in pieces: what was sent stays, so whoever lost the connection goes on where it was.

The pieces are put together where no app can reach them, and what is whole is moved to its place at once. What an upload
is for stands in its token, signed, so nothing about it is kept but the bytes.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core import signing
from django.db.models import F

from apps.core import room
from apps.core.errors import Conflict, Detail, Invalid, NotFound, UserError
from apps.disks import audit, beneath, files
from apps.disks.names import new_name, path_of, read, shown
from apps.disks.places import Disk
from apps.metrics.models import DiskUsage

if TYPE_CHECKING:
    from apps.accounts.models import User

SALT = "disks.upload"
LASTS = 86_400  # seconds
CHUNK = 1 << 18
MB = 1024 * 1024
Read = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Upload:
    """`at` and `name` in printable letters."""

    id: str
    pod: str
    disk: str
    user: int
    at: str
    name: str
    size: int
    replace: bool


def begin(*, disk: Disk, at: Sequence[bytes], name: str, size: int, replace: bool, by: User) -> str:
    """The token of an upload of `size` bytes. Raises Invalid naming `name` or `size`, UserError("disk_too_small")."""
    new = new_name(name)
    most = settings.BRAINPOD.upload_mb
    if not 0 <= size <= most * MB:
        raise Invalid([Detail("size", f"must be at most {most} MB: that is the largest file this platform takes.")])
    room.check()
    with files.changing(disk) as root, beneath.directory(root, at) as parent:
        _check_target(parent, new, replace)
    usage = DiskUsage.objects.filter(pod=disk.pod.pk, disk=disk.name).first()
    if (usage.used if usage else 0) + size > disk.bytes:
        words = (
            f"This file does not fit: {disk.name} has {disk.size} GB, and {usage.used // MB if usage else 0} MB on it."
        )
        raise UserError(
            "disk_too_small", words, "Delete what is not needed, or give the disk a larger size.", status=507
        )
    upload = Upload(
        id=secrets.token_hex(8), pod=disk.pod.pk, disk=disk.name, user=by.pk, at=shown(b"/".join(at)), name=shown(new),
        size=size, replace=replace,
    )  # fmt: skip
    path = _path(disk, upload)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return signing.dumps(asdict(upload), salt=SALT)


def upload_of(*, disk: Disk, token: str, by: User) -> Upload:
    """Raises NotFound for a token that is not theirs, of another disk, or too old."""
    try:
        found = Upload(**signing.loads(token, salt=SALT, max_age=LASTS))
    except (signing.BadSignature, TypeError):
        raise NotFound("such upload") from None
    if (found.pod, found.disk, found.user) != (disk.pod.pk, disk.name, by.pk) or not re.fullmatch(
        "[0-9a-f]+", found.id
    ):
        raise NotFound("such upload")
    return found


def go_on(*, disk: Disk, upload: Upload, offset: int, source: Read, by: User, address: str = "") -> int:
    """Add what `source` gives from `offset` on; how much there is now. With the last byte the file is in its place.

    Raises Conflict("upload_elsewhere") when another offset is next (`size_of` says which), and what `begin` raises.
    """
    path = _path(disk, upload)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise NotFound("such upload any more") from None
    with open(descriptor, "r+b", buffering=0) as file:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("upload_elsewhere", "Another piece of this file is on its way.", "Wait for it.") from None
        there = file.seek(0, os.SEEK_END)
        if offset != there:
            raise Conflict("upload_elsewhere", f"The next piece begins at {there}.", "Go on from there.")
        room.check()
        while there < upload.size and (data := source(min(CHUNK, upload.size - there))):
            try:
                there += file.write(data)
            except OSError as error:
                raise files.told(error) from error
        if there == upload.size:
            _finish(disk, upload, descriptor, by, address)
    return there


def size_of(disk: Disk, upload: Upload) -> int:
    try:
        return _path(disk, upload).lstat().st_size
    except FileNotFoundError:
        raise NotFound("such upload any more") from None


def _finish(disk: Disk, upload: Upload, descriptor: int, by: User, address: str) -> None:
    at, name = path_of(upload.at), read(upload.name)
    with files.changing(disk) as root, beneath.directory(root, at) as parent:
        os.fchmod(descriptor, 0o644)
        files.own(descriptor, root)
        os.fsync(descriptor)
        source = os.fsencode(_path(disk, upload))
        if upload.replace:
            _check_target(parent, name, True)
            os.rename(source, name, dst_dir_fd=parent)
        else:
            beneath.rename(parent, source, parent, name)  # the source is absolute: the directory is not asked
    DiskUsage.objects.filter(pod=disk.pod.pk, disk=disk.name).update(used=F("used") + upload.size)
    path = shown(b"/".join((*at, name)))
    audit.record(pod=disk.pod, disk=disk.name, by=by, did="Uploaded", path=path, address=address)


def _check_target(parent: int, name: bytes, replace: bool) -> None:
    try:
        info = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not replace or stat.S_ISDIR(info.st_mode):
        raise Invalid([Detail("name", "is there already: choose another one, or say that it may be replaced.")])


def _path(disk: Disk, upload: Upload) -> Path:
    return disk.beside("uploads", upload.id)
