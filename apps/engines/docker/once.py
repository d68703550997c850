"""`run_once`: a container to its end, its output as it comes, removed with everything in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from docker.errors import APIError, NotFound

from apps.engines.base import Finished, Limits, RunSpec
from apps.engines.docker.daemon import Daemon
from apps.engines.docker.inside import Connection, usage
from apps.engines.process.logs import Splitter

CHECK = 0.2  # seconds between two questions whether it was cancelled
MEASURE = 1.0  # seconds between two looks at the memory in use
DRAIN = 10.0  # seconds for the output of what was killed to end
NOT_FOUND = 127


def in_order(spec: RunSpec) -> RunSpec:
    """A command line's two streams made one by its own shell: Docker carries them side by side, in no order."""
    if spec.command[:2] == ("sh", "-c") and len(spec.command) > 2:
        return replace(spec, command=("sh", "-c", f"exec 2>&1\n{spec.command[2]}", *spec.command[3:]))
    return spec


class Once:
    """One run of a container that is made and filled. `kill` ends it with everything in it."""

    def __init__(self, daemon: Daemon, container: str, limits: Limits, on_line: Callable[[str], None]) -> None:
        self._daemon = daemon
        self._container = container
        self._limits = limits
        self._on_line = on_line
        self._peak = 0  # MB
        self._splitters = {"out": Splitter(), "err": Splitter()}

    def run(self, timeout: float, cancelled: Callable[[], bool]) -> Finished:
        began = time.monotonic()
        with self._daemon.asking() as api:
            params = {"stdout": 1, "stderr": 1, "stream": 1}
            connection = Connection(api.attach_socket(self._container, params=params))
            try:
                try:
                    api.start(self._container)
                except (NotFound, APIError) as error:
                    if not _missing(error):
                        raise
                    self._on_line(str(error.explanation))
                    return Finished(NOT_FOUND, "", round(time.monotonic() - began, 3))
                killed = self._follow(connection, began + timeout, cancelled)
                if killed:
                    self._kill()
                    self._rest(connection)
            finally:
                connection.close()
            for splitter in self._splitters.values():
                for line in splitter.finish():
                    self._on_line(line)
            code = int(api.wait(self._container)["StatusCode"])
            starved = bool(api.inspect_container(self._container)["State"].get("OOMKilled"))
        if not killed and starved and code:
            killed = "memory"
        peak = self._limits.memory if starved else self._peak
        return Finished(code, killed, round(time.monotonic() - began, 3), peak)

    def _follow(self, connection: Connection, deadline: float, cancelled: Callable[[], bool]) -> str:
        """Why it has to be ended, or "" when it ended by itself."""
        look = 0.0
        while (frames := connection.read(CHECK)) is not None:
            self._take(frames)
            if time.monotonic() > look:
                self._measure()
                look = time.monotonic() + MEASURE
            if cancelled():
                return "cancelled"
            if time.monotonic() > deadline:
                return "timeout"
        return ""

    def _measure(self) -> None:
        found = self._daemon.api.inspect_container(self._container)
        used = usage(self._daemon, found) if found["State"]["Running"] else None
        self._peak = max(self._peak, used.memory_mb if used else 0)

    def _take(self, frames: list[tuple[str, bytes]]) -> None:
        for stream, data in frames:
            for line in self._splitters[stream].feed(data):
                self._on_line(line)

    def _kill(self) -> None:
        try:
            self._daemon.api.kill(self._container, "KILL")
        except APIError:
            return  # it ended meanwhile

    def _rest(self, connection: Connection) -> None:
        deadline = time.monotonic() + DRAIN
        while time.monotonic() < deadline and (frames := connection.read(CHECK)) is not None:
            self._take(frames)


def _missing(error: APIError) -> bool:
    words = error.explanation or ""
    return "executable file not found" in words or "no such file or directory" in words
