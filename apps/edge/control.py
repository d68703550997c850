"""Talking to the nginx that runs: what it serves, what its workers do, and telling it to read its configuration."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from apps.core.errors import Unavailable
from apps.edge.layout import Layout

LEAVING = "is shutting down"
PAUSE = 0.02  # seconds between two looks


def generation(layout: Layout, timeout: float = 5.0) -> int:
    """What the serving nginx says. Raises Unavailable("edge_unavailable")."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(layout.admin))
            connection.sendall(b"GET /generation HTTP/1.0\r\n\r\n")
            with connection.makefile("rb") as answer:
                text = answer.read().decode("latin-1")
        return int(text.rpartition("\r\n\r\n")[2])
    except (OSError, ValueError) as error:
        raise Unavailable("edge_unavailable", f"nginx does not answer: {error}", "Is the platform running?") from None


def test(binary: Path, layout: Layout, configuration: Path) -> None:
    """Have nginx read `configuration`. Raises Unavailable("edge_refused") with its words."""
    command = [str(binary), "-t", "-q", "-p", str(layout.home), "-e", "stderr", "-c", str(configuration)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable("edge_refused", f"nginx could not test the configuration: {error}") from None
    if done.returncode:
        raise Unavailable("edge_refused", f"nginx refuses the configuration: {done.stderr.strip()[-1000:]}")


def master(layout: Layout) -> int:
    """The process that takes signals. Raises Unavailable("edge_unavailable")."""
    try:
        pid = int((layout.home / "nginx.pid").read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        raise Unavailable("edge_unavailable", "nginx is not running.", "Is the platform running?") from None
    return pid


def workers(pid: int) -> dict[int, bool]:
    """The worker processes of the master `pid`, each with whether it is leaving."""
    return {child: LEAVING in title for child, title in _children(pid) if "worker process" in title}


def _children(pid: int) -> list[tuple[int, str]]:
    if not Path("/proc/self/stat").exists():
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True)
        rows = (line.split(None, 2) for line in listing.stdout.splitlines())
        return [(int(row[0]), row[2]) for row in rows if len(row) == 3 and int(row[1]) == pid]
    found: list[tuple[int, str]] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append((int(entry.name), (entry / "cmdline").read_bytes().decode("utf-8", "replace")))
    return found


def reload(layout: Layout, number: int, timeout: float) -> None:
    """Make nginx read its configuration and wait until it alone accepts connections, with generation `number`.

    Raises Unavailable("edge_refused") with nginx's words when it does not within `timeout` seconds.
    """
    pid = master(layout)
    old = {worker for worker, leaving in workers(pid).items() if not leaving}
    already = layout.error_log.stat().st_size if layout.error_log.exists() else 0
    os.kill(pid, signal.SIGHUP)

    def serves() -> bool:
        words = complaints(layout.error_log, already)
        if any(not _retried(line) for line in words):
            raise Unavailable("edge_refused", f"nginx refuses the configuration: {words[-1]}")
        return generation(layout) == number

    def alone() -> bool:
        now = workers(pid)
        return all(now.get(worker, True) for worker in old)

    deadline = time.monotonic() + timeout
    if not (until(serves, deadline) and until(alone, deadline)):
        words = complaints(layout.error_log, already) or ["it says nothing about why"]
        raise Unavailable("edge_refused", f"nginx did not take the configuration in {timeout:g} s: {words[-1]}")


def until(condition: Callable[[], bool], deadline: float) -> bool:
    """Whether `condition` held before the monotonic `deadline`."""
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE)
    return True


def complaints(log: Path, offset: int) -> list[str]:
    """The emergencies in `log` after `offset`."""
    try:
        with log.open("rb") as file:
            file.seek(offset)
            text = file.read(200_000).decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if "[emerg]" in line]


def _retried(line: str) -> bool:
    """nginx tries five times to bind, half a second apart, before it gives a configuration up."""
    return bool(re.search(r"bind\(\) to .* failed", line))
