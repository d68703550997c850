"""The way into a disk: descriptors only, never a path put together.

What is on a disk was made by an app that may be hostile and may move things about at any moment. Everything is opened
beneath the descriptor of its top by openat2(2), which refuses to follow a symlink, to leave, or to go to another file
system, in one step of the kernel's. Where that call is missing (before Linux 5.6) names are opened one by one.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from apps.core.errors import Conflict, NotFound

_OPENAT2, _RENAMEAT2 = 437, {"x86_64": 316}.get(os.uname().machine, 276)
_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x01, 0x02, 0x04, 0x08
_RESOLVE = _NO_XDEV | _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH
_NOREPLACE = 1
_ALWAYS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_MISSING = (errno.ENOSYS, errno.EPERM, errno.E2BIG, errno.EINVAL)


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def top(path: Path) -> Iterator[int]:
    """The disk's own directory. Raises NotFound: nothing was started with it yet."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound("content on this disk yet") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def directory(root: int, parts: Sequence[bytes]) -> Iterator[int]:
    """The directory at `parts`. Raises NotFound, also for what is none, and Conflict("disk_link")."""
    descriptor = _open(root, parts, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def file(root: int, parts: Sequence[bytes]) -> Iterator[int]:
    """The regular file at `parts`, to be read. Raises NotFound, Conflict("disk_link" | "disk_no_file")."""
    found = _open(root, parts, os.O_PATH)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise Conflict("disk_no_file", "This is no file with content.", "Only files and directories can be had.")
        # Of exactly what was looked at: opening a FIFO or a device would wait, or do something.
        descriptor = os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    finally:
        os.close(found)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def rename(source: int, name: bytes, target: int, new: bytes) -> None:
    """Within directories that are open; replaces nothing. Raises OSError: EEXIST when there is something."""
    if _libc.syscall(_RENAMEAT2, source, name, target, new, _NOREPLACE) == 0:
        return
    code = ctypes.get_errno()
    if code not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(code, os.strerror(code))
    try:
        os.stat(new, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _open(root: int, parts: Sequence[bytes], flags: int) -> int:
    try:
        return openat2(root, parts, flags) if _has_openat2() else one_by_one(root, parts, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EXDEV):
            words = "This is a link, or lies behind one: links are not followed here."
            raise Conflict("disk_link", words, "Go to what it leads to.") from None
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise NotFound("such file or directory on this disk") from None
        raise


def openat2(root: int, parts: Sequence[bytes], flags: int) -> int:
    """Raises OSError: ELOOP for a symlink anywhere on the way, EXDEV for a way out."""
    how = _How(flags | _ALWAYS if not flags & os.O_PATH else flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0, _RESOLVE)
    path = b"/".join(parts) or b"."
    while True:
        found = _libc.syscall(_OPENAT2, root, path, ctypes.byref(how), ctypes.sizeof(how))
        if found >= 0:
            return _no_link(int(found))
        code = ctypes.get_errno()
        if code not in (errno.EAGAIN, errno.EINTR):  # something was moved meanwhile: the kernel wants to look again
            raise OSError(code, os.strerror(code))


def one_by_one(root: int, parts: Sequence[bytes], flags: int) -> int:
    """The same without that call."""
    at = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    device = os.fstat(root).st_dev
    for number, part in enumerate(parts or (b".",)):
        last = number == max(0, len(parts) - 1)
        wanted = flags if last else os.O_RDONLY | os.O_DIRECTORY
        extra = os.O_CLOEXEC | os.O_NOFOLLOW if wanted & os.O_PATH else _ALWAYS
        try:
            if b"/" in part or part == b"..":
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            info = os.stat(part, dir_fd=at, follow_symlinks=False)
            if stat.S_ISLNK(info.st_mode) or info.st_dev != device:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            below = os.open(part, wanted | extra, dir_fd=at)
        finally:
            os.close(at)
        at = below
    return _no_link(at)


def _no_link(descriptor: int) -> int:
    """O_PATH opens a link itself where it is the last name."""
    if stat.S_ISLNK(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return descriptor


@functools.cache
def _has_openat2() -> bool:
    how = _How(os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, 0, _RESOLVE)
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = _libc.syscall(_OPENAT2, root, b".", ctypes.byref(how), ctypes.sizeof(how))
        if found >= 0:
            os.close(found)
        return bool(found >= 0 or ctypes.get_errno() not in _MISSING)
    finally:
        os.close(root)
