"""Static files out of an image: a tar archive of one stage, unpacked without a way out."""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

from apps.core.errors import Detail, Invalid, PlatformError, UserError

MOST_FILES = 200_000


def unpack(archive: Path, into: Path, beneath: str = "") -> None:
    """The directories, files and links of `archive` that lie beneath its directory `beneath`.

    Raises Invalid("artifact_escape") for anything else, UserError("artifact_too_large") for too many of them.
    """
    prefix = f"{beneath}/" if beneath not in ("", ".") else ""
    into.mkdir()
    try:
        with tarfile.open(archive) as held:
            for number, entry in enumerate(held):
                if number > MOST_FILES:
                    hint = "Publish what visitors need, and nothing of what it was made from."
                    what = f"The output has more than {MOST_FILES} files."
                    raise UserError("artifact_too_large", what, hint)
                name = entry.name.removeprefix("./").rstrip("/")
                if name.startswith(prefix) and name != prefix.rstrip("/") and name not in ("", "."):
                    _unpack(held, entry, into, name.removeprefix(prefix))
    except tarfile.TarError as error:
        raise PlatformError("export_failed", f"What BuildKit wrote is no archive: {error}") from error


def _unpack(held: tarfile.TarFile, entry: tarfile.TarInfo, into: Path, name: str) -> None:
    target = into / name
    if ".." in name.split("/") or name.startswith("/"):
        raise _escape(name, "leads out of the output")
    _directories(into, target.parent, name)
    if entry.isdir():
        target.mkdir(exist_ok=True)
    elif entry.issym():
        target.symlink_to(entry.linkname)
    elif entry.islnk():
        _link(into, target, entry, name)
    elif entry.isreg() and (file := held.extractfile(entry)) is not None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        mode = 0o755 if entry.mode & stat.S_IXUSR else 0o644
        with file, open(os.open(target, flags, mode), "wb") as out:
            while chunk := file.read(1 << 20):
                out.write(chunk)
    else:
        raise _escape(name, "is a device, a socket or a FIFO")


def _directories(into: Path, parent: Path, name: str) -> None:
    """Make `parent`; whatever lies above it is a directory, never a link."""
    place = into
    for part in parent.relative_to(into).parts:
        place = place / part
        if place.is_symlink():
            raise _escape(name, "lies beneath a link")
        place.mkdir(exist_ok=True)


def _link(into: Path, target: Path, entry: tarfile.TarInfo, name: str) -> None:
    """A hard link, to another file of the archive."""
    other = into / entry.linkname.removeprefix("./")
    if not os.path.realpath(other).startswith(f"{os.path.realpath(into)}/") or not other.is_file():
        raise _escape(name, "is a link out of the output")
    os.link(other, target, follow_symlinks=False)


def _escape(name: str, what: str) -> Invalid:
    shown = name.encode(errors="backslashreplace").decode()[:300]
    hint = "Remove it from the repository or from what the build makes."
    return Invalid([Detail(shown, f"{what}.")], code="artifact_escape", hint=hint)
