"""The few system calls about namespaces and mounts that Python 3.11 has no function for."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
NS_GET_USERNS = 0xB701
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
IP_FREEBIND = 15
SYS_OPEN_TREE, SYS_MOVE_MOUNT, SYS_MOUNT_SETATTR = 428, 429, 442  # the same on every architecture
AT_EMPTY_PATH, AT_RECURSIVE, OPEN_TREE_CLONE = 0x1000, 0x8000, 1
MOUNT_ATTR_IDMAP, MOVE_MOUNT_F_EMPTY_PATH = 0x00100000, 0x04

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def setns(fd: int, kind: int = 0) -> None:
    """Move the calling thread into the namespace `fd` refers to."""
    _checked(_libc.setns(fd, kind), "setns")


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "none", flags: int = 0, data: str = "") -> None:
    args = [os.fsencode(text) for text in (source, target, kind)]
    _checked(_libc.mount(*args, ctypes.c_ulong(flags), os.fsencode(data)), f"mount {target}")


def bind_as(source: int, target: str, owner: tuple[int, int], shown: tuple[int, int]) -> None:
    """Bind the directory of the descriptor `source`, what `owner` (uid, gid) has in it shown as that of `shown`.

    Raises OSError where the kernel or the file system cannot.
    """
    tree = _call(SYS_OPEN_TREE, source, b"", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE)
    mapping = _mapping(owner, shown)
    try:
        attributes = struct.pack("=QQQQ", MOUNT_ATTR_IDMAP, 0, 0, mapping)
        _call(SYS_MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, attributes, len(attributes))
        _call(SYS_MOVE_MOUNT, tree, b"", -100, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(mapping)
        os.close(tree)


def _call(number: int, *arguments: int | bytes) -> int:
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"system call {number}: {os.strerror(error)}")
    return int(result)


def _mapping(owner: tuple[int, int], shown: tuple[int, int]) -> int:
    """A user namespace that maps the one to the other; made by a child, since nobody may be in it."""
    ready_r, ready_w = os.pipe()
    done_r, done_w = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            unshare(CLONE_NEWUSER)
            os.write(ready_w, b"1")
            os.close(done_w)
            os.read(done_r, 1)
        finally:
            os._exit(0)
    os.close(ready_w)
    try:
        os.read(ready_r, 1)
        for name, before, after in zip(("uid_map", "gid_map"), owner, shown, strict=True):
            Path(f"/proc/{child}/{name}").write_text(f"{before} {after} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
    finally:
        for fd in (ready_r, done_r, done_w):
            os.close(fd)
        os.waitpid(child, 0)


def die_with_parent(signal: int) -> None:
    _checked(_libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl")


def keep_orphans() -> None:
    """What descends from this process stays its own, whatever it leaves: for a process and what it executes."""
    _checked(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def no_new_privileges() -> None:
    _checked(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def make_umbrella() -> None:
    """Move this single-threaded process of an ordinary user into a user namespace of its own.

    Sandboxes made beneath it belong to it, so that whoever is in it may enter their network namespaces.
    """
    uid, gid = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def owner_of(namespace: int) -> int:
    """A descriptor of the user namespace that owns `namespace`."""
    return fcntl.ioctl(namespace, NS_GET_USERNS)


class SocketMaker:
    """Makes TCP sockets inside network namespaces; a socket stays in the namespace it was made in.

    Moves the calling thread from namespace to namespace, so only for a process that needs no network itself.
    """

    def __init__(self) -> None:
        self._inside: int | None = None  # descriptor of the namespace we are in, or None for the first one

    def make(self, namespace: int | None, count: int = 1) -> list[socket.socket]:
        """`count` fresh non-blocking sockets in `namespace` (None: no namespaces are used here)."""
        if namespace is not None and namespace != self._inside:
            setns(namespace, CLONE_NEWNET)
            self._inside = namespace
        return [socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for _ in range(count)]

    def forget(self, namespace: int) -> None:
        """`namespace` is about to be closed: its number may come back meaning another one."""
        if self._inside == namespace:
            self._inside = -1

    def listener(self, namespace: int | None, port: int, host: str = "127.0.0.1") -> socket.socket:
        """A listening socket on `host`:`port` there, even before the loopback interface is up."""
        (sock,) = self.make(namespace)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        try:
            sock.bind((host, port))
            sock.listen(128)
        except OSError:
            sock.close()
            raise
        return sock
