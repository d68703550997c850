"""Looking into a container that runs: a command beside it, what listens, who is connected, what it uses."""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path
from typing import Any

from apps.engines.base import Usage
from apps.engines.docker import groups
from apps.engines.docker.daemon import Daemon
from apps.engines.docker.frames import Demux

MOST_OUTPUT = 1_048_576  # bytes; the rest is dropped
TIMED_OUT = 124
MB = 1_048_576


class Connection:
    """A stream of frames of a container or of a command in it."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._demux = Demux()

    def read(self, wait: float) -> list[tuple[str, bytes]] | None:
        """Frames that came within `wait` seconds; None when it is over."""
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLIN)
        if not poll.poll(wait * 1000):
            return []
        data = self._sock.recv(65536) if hasattr(self._sock, "recv") else self._sock.read(65536)
        return list(self._demux.feed(data)) if data else None

    def close(self) -> None:
        self._sock.close()


def run(daemon: Daemon, container: str, command: tuple[str, ...], timeout: float) -> tuple[int, str]:
    """Exit code (124: took longer than `timeout`) and output of both streams."""
    deadline = time.monotonic() + timeout
    output = bytearray()
    with daemon.asking() as api:
        made = api.exec_create(container, list(command))["Id"]
        connection = Connection(api.exec_start(made, socket=True))
        try:
            while (frames := connection.read(max(0.0, min(0.2, deadline - time.monotonic())))) is not None:
                for _, data in frames:
                    output += data[: MOST_OUTPUT - len(output)]
                if time.monotonic() > deadline:
                    _end(daemon, api.exec_inspect(made)["Pid"], container)
                    return TIMED_OUT, output.decode("utf-8", "replace")
        finally:
            connection.close()
        code = api.exec_inspect(made)["ExitCode"]
    return code if code is not None else TIMED_OUT, output.decode("utf-8", "replace")


def _end(daemon: Daemon, pid: int, container: str) -> None:
    """Docker cannot end what it started beside a container; as root on its machine we can."""
    if daemon.here and _of_container(pid, container):
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


def _of_container(pid: int, container: str) -> bool:
    """Whether `pid` is one of this machine's processes, in that container: a daemon in a virtual machine has others."""
    try:
        return pid > 0 and container in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


def _seen(daemon: Daemon, container: dict[str, Any]) -> int:
    """The process of this machine that is the container's first, where what it has is this kernel's; else 0."""
    pid: int = container["State"]["Pid"]
    ours = daemon.here and container["HostConfig"].get("Runtime") != "runsc" and _of_container(pid, container["Id"])
    return pid if ours else 0


def tables(daemon: Daemon, container: dict[str, Any]) -> str:
    """/proc/net/tcp and tcp6 as the container has them: from here where that can be, else asked for inside."""
    if pid := _seen(daemon, container):
        try:
            return "\n".join(Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6"))
        except OSError:
            pass
    code, text = run(daemon, container["Id"], ("cat", "/proc/net/tcp", "/proc/net/tcp6"), 10.0)
    return text if code in (0, 1) else ""


def usage(daemon: Daemon, container: dict[str, Any]) -> Usage | None:
    """Of one that runs: read here where that can be, else asked of the daemon; None if it ended meanwhile."""
    if pid := _seen(daemon, container):
        try:
            if own := groups.usage(Path(f"/proc/{pid}/cgroup").read_text()):
                return own
        except OSError:
            return None
    with daemon.asking() as api:
        found = api.stats(container["Id"], stream=False, one_shot=True)
    processes = (found.get("pids_stats") or {}).get("current")
    if not processes:
        return None
    memory = found.get("memory_stats") or {}
    detail = memory.get("stats") or {}
    cache = detail.get("inactive_file", detail.get("total_inactive_file", 0))
    spent = found["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
    return Usage(spent, max(0, memory.get("usage", 0) - cache) // MB, processes)
