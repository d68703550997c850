"""A stream made into a file that only the holder of a key can read, and back: zstd, then age, then SHA-256.

Everything passes once, a block at a time; a file has its name only when it is whole and on the disk. By hand it is
`age -d -i key FILE | zstd -d`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import pyrage
import zstandard
from pyrage import x25519

from apps.core import room
from apps.core.errors import PlatformError

LEVEL = 3
THREADS = 2  # of zstd's: one compresses while another block is read, sealed and written
BLOCK = 1 << 20  # bytes read at once
PART = ".part"  # what a file that is not whole ends with


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """`size` and `digest` of the file, `raw` bytes of what is in it."""

    size: int
    raw: int
    digest: str


class _Counted:
    def __init__(self, source: Readable, check: Callable[[], None]) -> None:
        self._source, self._check = source, check
        self.count = 0
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            self._check()
            found = self._source.read(size)
        except BaseException as error:
            self.failure = error
            raise
        self.count += len(found)
        return found


class _Hashed:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0
        self.failure: BaseException | None = None

    def write(self, data: bytes) -> int:
        try:
            self._file.write(data)
        except OSError as error:
            self.failure = error
            raise
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        pass

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


@contextlib.contextmanager
def sealing(
    source: Readable, path: Path, recipients: Sequence[x25519.Recipient], *, check: Callable[[], None] = lambda: None
) -> Iterator[Sealed]:
    """All of `source` as the file `path`, which has its name once the body has ended without an error.

    `check` is called for every block and may raise. Raises UserError("no_room") for a full disk; what was there
    before is as it was, and nothing of the new file is left.
    """
    part = path.with_name(path.name + PART)
    counted = _Counted(source, check)
    hashed: _Hashed | None = None
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", buffering=BLOCK) as file:
            hashed = _Hashed(file)
            compressor = zstandard.ZstdCompressor(level=LEVEL, threads=THREADS, write_checksum=True)
            with compressor.stream_reader(counted, read_size=BLOCK, closefd=False) as packed:  # type: ignore[arg-type]
                pyrage.encrypt_io(packed, hashed, recipients)
            file.flush()
            os.fsync(file.fileno())
        yield Sealed(hashed.size, counted.count, hashed.digest)
        part.rename(path)
        _sync(path.parent)
    except Exception as error:  # noqa: BLE001 - pyrage has one of its own for whatever a stream raises
        cause = counted.failure or (hashed.failure if hashed else None) or error
        raise (room.full(cause) or cause) from None
    finally:
        part.unlink(missing_ok=True)


def verify(file: IO[bytes], digest: str) -> None:
    """Raises PlatformError("backup_damaged") for a file that is not what was written."""
    if hashlib.file_digest(file, "sha256").hexdigest() != digest:  # type: ignore[arg-type]
        raise damaged()


def damaged() -> PlatformError:
    return PlatformError(
        "backup_damaged", "The file of this backup is not what was written.", "Use another backup, or its remote copy."
    )


class Opened:
    """What is in a sealed file, as a stream; a thread opens what is read."""

    def __init__(self, file: IO[bytes], identities: Sequence[x25519.Identity]) -> None:
        out, into = os.pipe()
        self._failure: BaseException | None = None
        self._out = os.fdopen(out, "rb", buffering=0)
        self._thread = threading.Thread(target=self._open, args=(file, into, identities), daemon=True, name="unsealing")
        self._thread.start()
        self._plain = zstandard.ZstdDecompressor().stream_reader(self._out, read_size=BLOCK, closefd=False)

    def read(self, size: int = -1, /) -> bytes:
        """Raises PlatformError("backup_damaged") where it cannot be opened."""
        try:
            found: bytes = self._plain.read(size)
        except zstandard.ZstdError:
            raise damaged() from None
        if not found:
            self._thread.join()
            if self._failure is not None:
                raise damaged() from self._failure
        return found

    def close(self) -> None:
        self._out.close()
        self._thread.join()

    def _open(self, file: IO[bytes], into: int, identities: Sequence[x25519.Identity]) -> None:
        try:
            with os.fdopen(into, "wb", buffering=BLOCK) as pipe:
                pyrage.decrypt_io(file, pipe, identities)
        except (pyrage.DecryptError, OSError) as error:  # OSError: nobody reads any more
            self._failure = error


def opened(file: IO[bytes], identities: Sequence[x25519.Identity]) -> Any:
    """A context that gives an Opened."""
    return contextlib.closing(Opened(file, identities))


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
