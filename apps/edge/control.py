"""Talking to the nginx that runs: what it serves, what its workers do, and telling it to read its configuration."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from apps.core.errors import Unavailable
from apps.edge import outside
from apps.edge.layout import Layout

LEAVING = "is shutting down"
PAUSE = 0.02  # seconds between two looks
# What a test says last, after all of the configuration was read: that it may not listen there.
MAY_NOT_LISTEN = re.compile(r"bind\(\) to \S+ failed \(13: [^)]*\)$")


def generation(layout: Layout, timeout: float = 5.0) -> int:
    """What the serving nginx says. Raises Unavailable("edge_unavailable")."""
    said = answer(layout, timeout)
    if not said.isdecimal():
        raise _silent(layout, f"for {layout.dashboard_host} it says {said[:100]!r}, which is not ours")
    return int(said)


def answer(layout: Layout, timeout: float = 5.0) -> str:
    """What nginx answers when asked for its generation: a number, unless it does not serve our configuration (yet)."""
    try:
        return (_asked_outside(layout, timeout) if layout.outside else _asked(layout, timeout)).strip()
    except (OSError, http.client.HTTPException) as error:
        raise _silent(layout, str(error)) from None


def _silent(layout: Layout, why: str) -> Unavailable:
    hint = "Does it run, and include our directory?" if layout.outside else "Is the platform running?"
    return Unavailable("edge_unavailable", f"nginx does not answer: {why}", hint)


def _asked(layout: Layout, timeout: float) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(str(layout.admin))
        connection.sendall(b"GET /generation HTTP/1.0\r\n\r\n")
        with connection.makefile("rb") as answer:
            text = answer.read().decode("latin-1")
    return text.rpartition("\r\n\r\n")[2]


def _asked_outside(layout: Layout, timeout: float) -> str:
    """On a connection of its own: the workers of before may still answer those that are there."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where it listens: where it is asked
    connection = http.client.HTTPConnection(everywhere.get(layout.bind, layout.bind), layout.port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request("GET", outside.GENERATION, headers={"Host": layout.dashboard_host, "Connection": "close"})
        answer = connection.getresponse()
        text = answer.read(100).decode("latin-1")
    return text if answer.status == 200 else f"{answer.status} {answer.reason}"


def test(binary: Path, layout: Layout, configuration: Path) -> None:
    """Have our nginx read `configuration`. Raises Unavailable("edge_refused") with its words.

    Whoever applies a configuration need not be allowed to listen on ports below 1024: the nginx that serves is, which
    its reload shows.
    """
    if layout.outside:
        around = layout.home / "conf" / "test.conf"
        around.write_text(outside.wrapped(configuration, layout.sizes, layout.home))
        configuration = around
    command = [str(binary), "-t", "-q", "-p", str(layout.home), "-e", "stderr", "-c", str(configuration)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable("edge_refused", f"nginx could not test the configuration: {error}") from None
    wrong = [line for line in done.stderr.splitlines() if "[emerg]" in line]
    if done.returncode and not (wrong and all(map(MAY_NOT_LISTEN.search, wrong))):
        raise Unavailable("edge_refused", f"nginx refuses the configuration: {done.stderr.strip()[-1000:]}")


def accept(layout: Layout) -> None:
    """Have an nginx outside test all of its configuration, with ours in place. Raises Unavailable("edge_refused")."""
    if layout.outside and layout.outside.test:
        outside.run(layout.outside.test, "take the configuration")


def master(layout: Layout) -> int:
    """The process that takes signals. Raises Unavailable("edge_unavailable")."""
    try:
        pid = int(layout.pid.read_text())
        with contextlib.suppress(PermissionError):  # it is there, and somebody else's
            os.kill(pid, 0)
    except (OSError, ValueError, OverflowError):
        hint = f"Its number is looked for in {layout.pid}." if layout.outside else "Is the platform running?"
        raise Unavailable("edge_unavailable", "nginx is not running.", hint) from None
    return pid


def _tell(layout: Layout, pid: int, what: signal.Signals) -> None:
    """HUP: read the configuration; USR1: open the logs anew. An nginx outside does both at its reload."""
    if layout.outside:
        outside.run(layout.outside.reload, "be told to read its configuration")
    else:
        os.kill(pid, what)


def reopen(layout: Layout) -> None:
    """Have it open its logs anew, which may take a moment. Raises Unavailable."""
    _tell(layout, master(layout), signal.SIGUSR1)


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
    _tell(layout, pid, signal.SIGHUP)

    def serves() -> bool:
        words = complaints(layout.error_log, already)
        if any(not _retried(line) for line in words):
            raise Unavailable("edge_refused", f"nginx refuses the configuration: {words[-1]}")
        return answer(layout) == str(number)  # a worker of before may know nothing of us

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
