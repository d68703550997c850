"""A tree as one file, and back: tar through zstd. What comes back is nobody's word: it is checked as it is read."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

import zstandard

_LEVEL = 3
_WINDOW = 1 << 27
_CHUNK = 1 << 20
_LONGEST = 4096  # characters of a name or a link


class BadArchive(ValueError):
    """It leads out of its directory, is larger than it may be, or is no archive."""


def pack(root: Path, out: IO[bytes]) -> None:
    """Regular files, directories and links beneath `root`; times are kept, owners are not."""
    with zstandard.ZstdCompressor(level=_LEVEL, threads=1).stream_writer(out, closefd=False) as compressed:
        _archive(root, compressed)


def pack_gzip(root: Path, out: IO[bytes]) -> None:
    """The same for those who have no more than tar and gzip."""
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as compressed:
        _archive(root, compressed)


def _archive(root: Path, out: Any) -> None:
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path in _walk(root):
            info = archive.gettarinfo(path, path.relative_to(root).as_posix())
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            if info.islnk():  # a second name of a file already in: each is a file of its own
                info.type, info.size = tarfile.REGTYPE, path.lstat().st_size
            if info.isreg():
                with path.open("rb") as file:
                    archive.addfile(info, file)
            elif info.isdir() or info.issym():
                archive.addfile(info)


def unpack(source: IO[bytes], into: Path, *, most_bytes: int, most_files: int) -> None:
    """Fill the empty directory `into`. Raises BadArchive; what was written until then stays there.

    Links are made last, so that nothing is ever written through one.
    """
    links: list[tarfile.TarInfo] = []
    times: list[tuple[Path, float]] = []
    files = size = entries = 0
    try:
        reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(source, read_across_frames=False)
        with reader, tarfile.open(fileobj=reader, mode="r|") as archive:
            for info in archive:
                entries += 1
                target = into / _name(info.name)
                if entries > 3 * most_files + 100_000:
                    raise BadArchive("more entries than were stored")
                if info.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                elif info.issym():
                    links.append(info)
                elif info.isreg():
                    files, size = files + 1, size + info.size
                    if files > most_files or size > most_bytes:
                        raise BadArchive("larger than what was stored")
                    content = archive.extractfile(info)
                    if content is None:
                        raise BadArchive(f"{info.name!r} has no content")
                    _write(target, info, content)
                    times.append((target, info.mtime))
                else:
                    raise BadArchive(f"{info.name!r} is neither a file, a directory nor a link")
        _link(into, links)
        for path, moment in times:
            os.utime(path, (moment, moment), follow_symlinks=False)
    except (tarfile.TarError, zstandard.ZstdError, OSError, EOFError, UnicodeError, OverflowError) as error:
        raise BadArchive(f"{type(error).__name__}: {error}"[:200]) from error


def _name(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in name or len(name) > _LONGEST:
        raise BadArchive(f"{name[:80]!r} leads out")
    return path


def _write(target: Path, info: tarfile.TarInfo, content: IO[bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o755 if info.mode & 0o111 else 0o644
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as out:
        while chunk := content.read(_CHUNK):
            out.write(chunk)


def _link(into: Path, links: list[tarfile.TarInfo]) -> None:
    """Parents first made real, then the links: one never lies behind another."""
    for info in links:
        (into / _name(info.name)).parent.mkdir(parents=True, exist_ok=True)
    for info in links:
        target = into / _name(info.name)
        if len(info.linkname) > _LONGEST or stat.S_ISLNK(target.parent.lstat().st_mode):
            raise BadArchive(f"{info.name[:80]!r} lies behind a link")
        target.symlink_to(info.linkname)


def _walk(root: Path) -> Iterator[Path]:
    for base, directories, names in os.walk(root):
        directories.sort()
        for name in sorted([*names, *directories]):
            yield Path(base, name)
