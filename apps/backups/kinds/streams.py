"""Streams made of others."""

from __future__ import annotations

from collections.abc import Iterator

from apps.backups.sealing import BLOCK, Readable


class Blocks:
    """What `blocks` gives, as a stream."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._waiting = memoryview(b"")

    def read(self, size: int = -1, /) -> bytes:
        while not self._waiting:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._waiting = memoryview(block)
        size = len(self._waiting) if size < 0 else size
        found, self._waiting = bytes(self._waiting[:size]), self._waiting[size:]
        return found


class UpTo:
    """`stream` as far as `mark`, which is left out; `rest` is what comes after it."""

    def __init__(self, stream: Readable, mark: bytes) -> None:
        self._stream, self._mark = stream, mark
        self._waiting = b""
        self._found = False

    def read(self, size: int = -1, /) -> bytes:
        keep = len(self._mark) - 1
        while not self._found:
            at = self._waiting.find(self._mark)
            if at >= 0:
                self._found = True
                found, self._waiting = self._waiting[:at], self._waiting[at + len(self._mark) :]
                return found
            if len(self._waiting) > keep:
                found, self._waiting = self._waiting[:-keep], self._waiting[-keep:]
                return found
            block = self._stream.read(BLOCK)
            if not block:
                found, self._waiting = self._waiting, b""
                self._found = True
                return found
            self._waiting += block
        return b""

    def rest(self) -> bytes:
        """Everything after the mark; to be asked for once the part before it was read."""
        found = [self._waiting]
        while block := self._stream.read(BLOCK):
            found.append(block)
        return b"".join(found)
