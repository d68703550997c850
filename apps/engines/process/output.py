"""A workload's two pipes, read into its ring of lines."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

from apps.engines.base import LogLine
from apps.engines.process import logs
from apps.engines.process.context import pipe, read_some
from apps.engines.process.identity import Identity

STREAMS: tuple[logs.Stream, ...] = ("out", "err")
DRAIN = 64  # reads: more than a pipe holds; a stray that goes on writing does not keep us


def make(owner: Identity) -> dict[str, int]:
    """The descriptors an output needs, for the keeper. Both ends of the pipes: an end of data never comes."""
    fds = {name: logs.new_file(name) for name in ("rest-out", "rest-err", "log-0", "log-1")}
    for stream in STREAMS:
        fds[f"{stream}-r"], fds[f"{stream}-w"] = pipe()
        os.fchown(fds[f"{stream}-w"], owner.uid, owner.gid)  # so that /dev/stdout can be opened by its name
    return fds


class Output:
    def __init__(self, fds: Mapping[str, int], on_line: Callable[[LogLine], None]) -> None:
        self._fds = fds
        self._ring = logs.Ring((fds["log-0"], fds["log-1"]), on_line)
        self._splitters = {stream: logs.Splitter(logs.read_whole(fds[f"rest-{stream}"])) for stream in STREAMS}
        self._loop = asyncio.get_running_loop()

    def watch(self) -> None:
        for stream in STREAMS:
            self._loop.add_reader(self._fds[f"{stream}-r"], self._read, stream)

    def close(self) -> None:
        for stream in STREAMS:
            self._loop.remove_reader(self._fds[f"{stream}-r"])

    def note(self, text: str) -> None:
        """A line of the engine's own."""
        self._ring.add("engine", [text])

    def lines(self, after: int) -> list[LogLine]:
        return list(self._ring.lines(after))

    def drain(self) -> None:
        """Everything written until now, what has no end of line included."""
        for stream in STREAMS:
            for _ in range(DRAIN):
                if not self._read(stream):
                    break
            self._ring.add(stream, self._splitters[stream].finish())
            logs.write_all(self._fds[f"rest-{stream}"], b"")

    def _read(self, stream: logs.Stream) -> bool:
        """Read once; whether there was something. Lines first, then the rest: a kill between repeats, never loses."""
        data = read_some(self._fds[f"{stream}-r"])
        if not data:
            return False
        splitter = self._splitters[stream]
        had = bool(splitter.rest)
        self._ring.add(stream, splitter.feed(data))
        if had or splitter.rest:
            logs.write_all(self._fds[f"rest-{stream}"], splitter.rest)
        return True
