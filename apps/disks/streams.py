"""A directory as one stream of bytes and back: tar through zstd, both ways as fast as the machine goes.

The directory is an app's own work. `tar` is handed its descriptor, goes down from there name by name and follows no
symlink (O_NOFOLLOW at every step), so whatever is moved about meanwhile, nothing outside is read or written. Owners,
modes, times, links, sparse files and names of any bytes are kept; device files are not made again.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import zstandard

from apps.core import room
from apps.core.errors import PlatformError, UserError

LEVEL = 1
CHUNK = 1 << 20
ROOM_EVERY = 64  # chunks
CHANGED = 1  # tar: a file changed as it was read
_PACK = (
    "--create", "--file=-", "--format=posix", "--numeric-owner", "--one-file-system", "--sparse",
    "--pax-option=delete=atime,delete=ctime", "--warning=no-file-ignored", "--warning=no-file-changed",
)  # fmt: skip
_UNPACK = ("--extract", "--file=-", "--numeric-owner", "--preserve-permissions", "--delay-directory-restore")


def nothing() -> None:
    """For those who are never to stop in between."""


@dataclass
class Seen:
    """`entries`: files, directories, links and everything else in a stream, once it has been gone through."""

    entries: int = 0


def packed(directory: int, *, changes: bool = False, seen: Seen | None = None) -> Iterator[bytes]:
    """The content of the directory open as `directory`. `changes`: it is written to meanwhile, which is no error.

    Raises PlatformError("disk_unreadable"). Left early, it ends what it started.
    """
    compressor = zstandard.ZstdCompressor(level=LEVEL, threads=min(4, os.cpu_count() or 1), write_checksum=True)
    stream = compressor.compressobj()
    with _tar((*_PACK, "."), directory, seen=seen, stdout=subprocess.PIPE) as (process, said):
        assert process.stdout is not None
        while data := process.stdout.read(CHUNK):
            if out := stream.compress(data):
                yield out
        code = process.wait()
        if code and not (changes and code == CHANGED):
            raise PlatformError("disk_unreadable", f"The disk could not be read whole: {said()}")
    yield stream.flush()


def unpack(source: IO[bytes], directory: int, *, check: Callable[[], None] = nothing) -> int:
    """Fill the empty directory open as `directory`; how many bytes the stream had, unpacked.

    Raises UserError("archive_broken") for what is cut short or no such stream, UserError("no_room") before the
    machine is full, and what `check` raises, which is called all the time.
    """
    stream = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

    def plain() -> Iterator[bytes]:
        for data in iter(lambda: source.read(CHUNK), b""):
            check()
            yield stream.decompress(data)

    try:
        total = extract(plain(), directory)
    except zstandard.ZstdError as error:
        raise broken(str(error)) from error
    if not stream.eof:
        raise broken("it ends too early")
    return total


def extract(
    blocks: Iterable[bytes], directory: int, *, check: Callable[[], None] = nothing, seen: Seen | None = None
) -> int:
    """The same from tar alone, whose end whoever makes `blocks` vouches for."""
    total = 0
    with _tar(_UNPACK, directory, seen=seen, stdin=subprocess.PIPE) as (process, said):
        assert process.stdin is not None
        try:
            for number, plain in enumerate(blocks):
                check()
                if number % ROOM_EVERY == 0:
                    room.check()
                total += len(plain)
                process.stdin.write(plain)
            process.stdin.close()
        except BrokenPipeError:
            pass  # tar says why
        code = process.wait()
        if code:
            words = said()
            raise (room.full(OSError(errno.ENOSPC, "")) if "No space left" in words else None) or broken(words)
    _no_devices(directory)
    return total


def broken(why: str) -> UserError:
    words = f"This is no whole copy of a disk: {why[:200]}."
    return UserError("archive_broken", words, "Take another one.", status=422)


@contextmanager
def _tar(
    options: tuple[str, ...],
    directory: int,
    *,
    seen: Seen | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]:
    """tar at work in `directory`, and its last words once it is over. It is gone when the body is."""
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as names:

        def said() -> str:
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - 2000))
            words = errors.read().decode(errors="backslashreplace").strip()
            return words.splitlines()[0].removeprefix("tar: ")[:300] if words else "tar failed"

        listed = ("--verbose", f"--index-file=/proc/self/fd/{names.fileno()}") if seen else ()
        command = [_program(), *options[:1], f"--directory=/proc/self/fd/{directory}", *listed, *options[1:]]
        process = subprocess.Popen(
            command, stdin=stdin, stdout=stdout, stderr=errors, pass_fds=(directory, names.fileno()),
            env={"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"},
        )  # fmt: skip
        try:
            yield process, said
        finally:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _close(pipe)
            process.wait()
        if seen:  # a name is one line, whatever is in it
            seen.entries = sum(block.count(b"\n") for block in iter(lambda: names.read(CHUNK), b""))


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except OSError:
        pass  # what was not written yet has no reader any more


def _program() -> str:
    found = shutil.which("tar")
    if found is None:
        raise PlatformError("tar_missing", "Disks are copied with GNU tar, which this host has not.", "Install tar.")
    return found


def _no_devices(directory: int) -> None:
    """Remove device files: an app that was root in a container may have had some."""
    if os.geteuid() != 0:
        return
    find = ["find", f"/proc/self/fd/{directory}/.", "-xdev", "(", "-type", "b", "-o", "-type", "c", ")", "-delete"]
    subprocess.run(find, pass_fds=(directory,), check=True, stdin=subprocess.DEVNULL)
