"""Keys at a shared Valkey or Redis: those of one user there, beneath its prefix, and nobody else's.

Others are at the server too, so nothing is asked of it that stops it: its keys are looked through piece by piece
(SCAN), and the platform's own user reads and writes those of the prefix. What is read is no moment's: a key that comes,
goes or changes meanwhile may be there as it was before or after. A restore tries every key at the server first, and
then locks the user out while they are exchanged; what was there before is kept until that is over.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from apps.backups.kinds import resp
from apps.backups.kinds.base import At, Loaded, Rows
from apps.backups.kinds.resp import Key
from apps.backups.kinds.streams import Blocks
from apps.backups.kinds.valkey import KEYS, LASTING, client, telling
from apps.backups.sealing import Readable, damaged
from apps.core import room
from apps.core.errors import PlatformError
from apps.servers.valkey import VALKEY

COUNT = 500  # keys looked at in one go
BATCH = 8 << 20  # bytes of values that are asked for or put back in one go; a larger value goes alone
TRIED = 60_000  # ms after which a key that was tried is gone by itself
CONTENT, BEFORE, LOCKED = "content", "before", "locked"  # the files of a scratch


class Keys:
    """A scratch is a directory of the pod's: what is to be put in place, what was there, whether its user is locked."""

    @contextmanager
    def dump(self, at: At) -> Iterator[_Dump]:
        with telling(), closing(client(at)) as asked:
            yield _Dump(everything(asked, at.database))

    def load(self, at: At, stream: Readable, scratch: str, step: Callable[[str], None]) -> Loaded:
        step("Trying every key at the server")
        counts = _Counts()
        with telling(), closing(client(at)) as asked:

            def tried() -> Iterator[Key]:
                for batch in _batches(_moved(resp.read(stream), at.database)):
                    _try(asked, scratch, batch)
                    yield from batch

            _write(_place(at, scratch) / CONTENT, counts.of(tried()))
        return Loaded(counts.rows)

    def swap(self, at: At, scratch: str, loaded: Loaded) -> None:
        """Apps are let in again by `drop`, which also puts back what was there if this is not done to its end."""
        place = _place(at, scratch)
        with telling(), closing(client(at)) as asked:
            (place / LOCKED).touch(0o600)
            asked.execute_command("ACL", "SETUSER", at.user, "off")
            asked.client_kill_filter(user=at.user)
            _write(place / BEFORE, everything(asked, at.database))
            _exchange(asked, at.database, place / CONTENT)
        (place / BEFORE).unlink()

    def drop(self, at: At, scratch: str) -> None:
        place = _place(at, scratch)
        if (place / LOCKED).exists():
            with telling(), closing(client(at)) as asked:
                if (place / BEFORE).exists():
                    _exchange(asked, at.database, place / BEFORE)
                asked.execute_command("ACL", "SETUSER", at.user, "on")
                asked.acl_save()  # somebody else's change may have had it written down as locked
        shutil.rmtree(place, ignore_errors=True)


class _Dump:
    extension = "resp"

    def __init__(self, keys: Iterator[Key]) -> None:
        self._counts = _Counts()
        self.read = Blocks(_commands(self._counts.of(keys))).read

    def finish(self) -> Rows:
        if not self._counts.whole:
            raise PlatformError("backup_unfinished", "The keys were not read to their end.")
        return self._counts.rows


class _Counts:
    """Of the keys that go by, all and those that nothing but somebody ends."""

    def __init__(self) -> None:
        self.keys = self.lasting = 0
        self.whole = False

    def of(self, keys: Iterable[Key]) -> Iterator[Key]:
        for key in keys:
            self.keys += 1
            self.lasting += not key.ends
            yield key
        self.whole = True

    @property
    def rows(self) -> Rows:
        return {KEYS: (self.keys, self.keys), LASTING: (self.lasting, self.lasting)}


def everything(asked: Any, prefix: str) -> Iterator[Key]:
    """Every key of `prefix`, once, in no order."""
    with closing(sqlite3.connect("", check_same_thread=False)) as seen:  # on the disk, gone when it is closed
        seen.execute("CREATE TABLE seen (key BLOB PRIMARY KEY) WITHOUT ROWID")
        for names in _names(asked, prefix):
            fresh = [name for name in names if _is_new(seen, name)]
            for some in _of_size(asked, fresh):
                yield from _values(asked, some)


def _names(asked: Any, prefix: str) -> Iterator[list[bytes]]:
    """SCAN may give a name twice."""
    cursor, own = 0, f"{prefix}:".encode()
    while True:
        cursor, names = asked.scan(cursor, match=f"{prefix}:*", count=COUNT)
        yield [name for name in names if name.startswith(own)]
        if not cursor:
            return


def _is_new(seen: sqlite3.Connection, name: bytes) -> bool:
    digest = hashlib.blake2b(name, digest_size=16).digest()
    return seen.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,)).rowcount == 1


def _of_size(asked: Any, names: list[bytes]) -> Iterator[list[bytes]]:
    """In pieces whose values together have BATCH bytes at most, about, or are one."""
    with asked.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.memory_usage(name)
        sizes = pipe.execute()
    piece: list[bytes] = []
    total = 0
    for name, size in zip(names, sizes, strict=True):
        if piece and total + (size or 0) > BATCH:
            yield piece
            piece, total = [], 0
        piece.append(name)
        total += size or 0
    if piece:
        yield piece


def _values(asked: Any, names: list[bytes]) -> Iterator[Key]:
    """Of those that are still there; each with the end that it had at the same moment."""
    with asked.pipeline(transaction=True) as pipe:
        for name in names:
            pipe.execute_command("DUMP", name)
            pipe.execute_command("PEXPIRETIME", name)
        found = pipe.execute()
    for name, value, ends in zip(names, found[::2], found[1::2], strict=True):
        if value is not None and ends != -2:
            yield Key(name, max(0, ends), value)


def _commands(keys: Iterable[Key]) -> Iterator[bytes]:
    count = 0
    for key in keys:
        count += 1
        yield resp.restoring(key)
    yield resp.end(count)


def _moved(keys: Iterable[Key], prefix: str) -> Iterator[Key]:
    """The same beneath `prefix`. Raises PlatformError("backup_damaged") where they are of more than one."""
    own: bytes | None = None
    for key in keys:
        before, colon, rest = key.name.partition(b":")
        if not colon or before != (before if own is None else own):
            raise damaged()
        own = before
        yield Key(f"{prefix}:".encode() + rest, key.ends, key.value)


def _batches(keys: Iterable[Key]) -> Iterator[list[Key]]:
    batch: list[Key] = []
    total = 0
    for key in keys:
        if batch and (total + len(key.value) > BATCH or len(batch) == COUNT):
            yield batch
            batch, total = [], 0
        batch.append(key)
        total += len(key.value)
    if batch:
        yield batch


def _try(asked: Any, scratch: str, batch: list[Key]) -> None:
    """Whether the server takes them, each under a name that no user of it may touch, and for a moment."""
    with asked.pipeline(transaction=False) as pipe:
        for number, key in enumerate(batch):
            pipe.execute_command("RESTORE", f"{scratch}:{number}", TRIED, key.value, "REPLACE")
        pipe.unlink(*(f"{scratch}:{number}" for number in range(len(batch))))
        _done(pipe)


def _exchange(asked: Any, prefix: str, file: Path) -> None:
    """What is in `file` in the place of everything beneath `prefix`."""
    for names in _names(asked, prefix):
        if names:
            asked.unlink(*names)
    with file.open("rb") as content:
        for batch in _batches(resp.read(content)):
            with asked.pipeline(transaction=False) as pipe:
                for key in batch:
                    pipe.execute_command("RESTORE", key.name, key.ends, key.value, "REPLACE", "ABSTTL")
                _done(pipe)


def _done(pipe: Any) -> None:
    """Raises PlatformError("backup_database_failed") in the server's words: the client's own have keys and values."""
    for answer in pipe.execute(raise_on_error=False):
        if isinstance(answer, Exception):
            raise PlatformError("backup_database_failed", f"{VALKEY.title} does not take a key: {answer}."[:400])


def _write(path: Path, keys: Iterable[Key]) -> None:
    """All of them, or no such file."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for number, command in enumerate(_commands(keys)):
            if number % COUNT == 0:
                room.check()
            file.write(command)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def _place(at: At, scratch: str) -> Path:
    assert at.work is not None
    return at.work / scratch
