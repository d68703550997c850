"""Keys as the commands that put them back, one RESTORE each: what `redis-cli --pipe` takes.

The last command says how many there were. https://valkey.io/topics/protocol/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from apps.backups.sealing import BLOCK, Readable, damaged

LINE = 64  # bytes of one that says how much follows
LARGEST = 1 << 32  # bytes of one word; a value has 512 MB at most where nobody said otherwise
END = re.compile(rb"brainpod: (\d+) keys")


@dataclass(frozen=True, slots=True)
class Key:
    """`ends`: in milliseconds since 1970; 0: never. `value`: what DUMP gives for it."""

    name: bytes
    ends: int
    value: bytes


def restoring(key: Key) -> bytes:
    """It replaces a key of its name, and makes none where its time has passed."""
    return _command(b"RESTORE", key.name, b"%d" % key.ends, key.value, b"REPLACE", b"ABSTTL")


def end(count: int) -> bytes:
    return _command(b"ECHO", b"brainpod: %d keys" % count)


def read(stream: Readable) -> Iterator[Key]:
    """What was written, one at a time. Raises PlatformError("backup_damaged") for anything else."""
    words, count = _Words(stream), 0
    while True:
        match words.command():
            case [b"RESTORE", name, ends, value, b"REPLACE", b"ABSTTL"] if ends.isdigit():
                count += 1
                yield Key(name, int(ends), value)
            case [b"ECHO", said] if (found := END.fullmatch(said)) and int(found[1]) == count and words.over():
                return
            case _:
                raise damaged()


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class _Words:
    def __init__(self, stream: Readable) -> None:
        self._stream, self._waiting = stream, bytearray()

    def command(self) -> list[bytes]:
        return [self._word() for _ in range(self._number(b"*", 6))]

    def over(self) -> bool:
        return not self._waiting and not self._stream.read(1)

    def _word(self) -> bytes:
        size = self._number(b"$", LARGEST)
        found = self._exactly(size + 2)
        if found[size:] != b"\r\n":
            raise damaged()
        return found[:size]

    def _number(self, sign: bytes, most: int) -> int:
        while (at := self._waiting.find(b"\r\n")) < 0:
            if len(self._waiting) > LINE or not self._more():
                raise damaged()
        line = self._exactly(at + 2)[:-2]
        if line[:1] != sign or not line[1:].isdigit() or len(line) > LINE or int(line[1:]) > most:
            raise damaged()
        return int(line[1:])

    def _exactly(self, size: int) -> bytes:
        while len(self._waiting) < size:
            if not self._more():
                raise damaged()
        found = bytes(self._waiting[:size])
        del self._waiting[:size]
        return found

    def _more(self) -> bool:
        block = self._stream.read(BLOCK)
        self._waiting += block
        return bool(block)
