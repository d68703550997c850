"""One directory tree: what must not be in it, how it is made the same everywhere, and its digest."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from apps.artifacts.base import Tree
from apps.core.errors import Detail, Invalid

_DIGEST = 1 << 20


def seal(root: Path, outside: Sequence[str] = ()) -> Tree:
    """Normalise modes and owners beneath `root` and take the digest. Nothing is followed out of the tree.

    `outside`: absolute directories that absolute links may point beneath (what is inside every sandbox). Directories
    become 0755, files 0644 or 0755. Raises Invalid("artifact_escape") for links that lead elsewhere, devices, sockets
    and FIFOs; the tree may then be half normalised.
    """
    digest = hashlib.sha256()
    size = files = 0
    status = os.lstat(root)
    if not stat.S_ISDIR(status.st_mode):
        raise _escape(root.name, "is no directory")
    _own(str(root), status, 0o755)
    for path, relative, status in _walk(str(root), ""):
        name = os.fsencode(relative)
        if stat.S_ISLNK(status.st_mode):
            target = str(Path(path).readlink())
            _check_link(root, relative, target, outside)
            _own(path, status, None)
            _feed(digest, b"l", name, os.fsencode(target))
        elif stat.S_ISDIR(status.st_mode):
            _own(path, status, 0o755)
            _feed(digest, b"d", name, b"")
        elif stat.S_ISREG(status.st_mode):
            mode = 0o755 if status.st_mode & 0o111 else 0o644
            _own(path, status, mode)
            _feed(digest, b"x" if mode == 0o755 else b"f", name, _content(path))
            size += status.st_size
            files += 1
        else:
            raise _escape(relative, "is a device, a socket or a FIFO")
    return Tree(f"sha256:{digest.hexdigest()}", size, files)


def _walk(directory: str, prefix: str) -> Iterator[tuple[str, str, os.stat_result]]:
    """(path, path within, lstat) of everything beneath, sorted by name, directories before what is in them."""
    with os.scandir(directory) as found:
        entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        status = entry.stat(follow_symlinks=False)
        relative = f"{prefix}{entry.name}"
        yield entry.path, relative, status
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(entry.path, f"{relative}/")


def _own(path: str, status: os.stat_result, mode: int | None) -> None:
    """Owned by the platform and not writable by others, or what built it could change it afterwards."""
    user = os.geteuid()
    if status.st_uid != user and user == 0:
        os.chown(path, 0, 0, follow_symlinks=False)
    if mode is not None and stat.S_IMODE(status.st_mode) != mode:
        os.chmod(path, mode)


def _check_link(root: Path, relative: str, target: str, outside: Sequence[str]) -> None:
    if target.startswith("/"):
        plain = os.path.normpath(target)
        if not any(plain == base or plain.startswith(f"{base}/") for base in outside):
            raise _escape(relative, f"links to {target}, which is outside")
        return
    depth, descended = relative.count("/"), False
    for part in target.split("/"):
        if part == ".." and descended:
            # What was descended into may be a link that led up: only the file system knows where this ends.
            top = os.path.realpath(root)
            if not os.path.realpath(root / relative).startswith(f"{top}/"):
                depth = -1
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        descended = descended or part not in ("", ".", "..")
        if depth < 0:
            raise _escape(relative, f"links to {target}, which is outside")


def _content(path: str) -> bytes:
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb", buffering=0) as file:
        while chunk := file.read(_DIGEST):
            digest.update(chunk)
    return digest.digest()


def _feed(digest: hashlib._Hash, kind: bytes, name: bytes, content: bytes) -> None:
    """Lengths before values, so that no two trees are written the same way."""
    digest.update(b"%b%d:%b%d:%b" % (kind, len(name), name, len(content), content))


def _escape(relative: str, what: str) -> Invalid:
    hint = "Remove it from the repository or from what the build makes."
    shown = relative.encode(errors="backslashreplace").decode()[:300]
    return Invalid([Detail(shown, f"{what}.")], code="artifact_escape", hint=hint)
