"""What every workload of an agent shares, and the descriptors it works with."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from apps.engines.base import LogLine
from apps.engines.process.descriptors import Descriptors
from apps.engines.process.egress import Egress
from apps.engines.process.launcher import Launcher

PROXY_PORT = 18181


@dataclass(frozen=True, slots=True)
class Context:
    launcher: Launcher
    keeper: Descriptors
    egress: Egress
    sockets: Path
    publish: Callable[[str, LogLine], None]


def proxy_port(port: int | None) -> int:
    """Where the way out listens inside; never where the workload does."""
    return PROXY_PORT + 1 if port == PROXY_PORT else PROXY_PORT


class Reports:
    """bubblewrap's JSON reports: the pid of the sandbox's first process, and the exit code at the end."""

    def __init__(self) -> None:
        self._text = ""
        self.child: int | None = None
        self.exit_code: int | None = None

    def feed(self, data: bytes) -> None:
        self._text += data.decode("utf-8", "replace")
        decoder = json.JSONDecoder()
        while text := self._text.lstrip():
            try:
                document, end = decoder.raw_decode(text)
            except ValueError:
                return
            self._text = text[end:]
            self.child = document.get("child-pid", self.child)
            self.exit_code = document.get("exit-code", self.exit_code)


def read_some(fd: int, size: int = 65536) -> bytes | None:
    """What a non-blocking descriptor has now: b"" at its end, None when it has nothing."""
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return None


def pipe(*, blocking: bool = False) -> tuple[int, int]:
    """A pipe whose reading end does not block."""
    read, write = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(read, blocking)
    return read, write
