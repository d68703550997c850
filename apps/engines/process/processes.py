"""Looking at processes in /proc: the same one or another with its number, its children, what it uses."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from apps.engines.base import Usage

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def fields(pid: int) -> list[str] | None:
    """/proc/PID/stat after the name: [0] state … [11] utime [12] stime … [19] start; None when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return None


def birth(pid: int) -> int:
    """When it started, in ticks since boot: with the number, the identity of a process. 0 when it is gone."""
    found = fields(pid)
    return int(found[19]) if found and found[0] not in "ZX" else 0


def alive(pid: int, born: int) -> bool:
    return bool(pid and born) and birth(pid) == born


def children(pid: int) -> list[int]:
    """Direct children of all its threads."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(word) for word in (task / "children").read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    waiting = [pid]
    while waiting:
        young = children(waiting.pop())
        found += young
        waiting += young
    return found


def marked(marker: str) -> list[int]:
    """Processes with a variable that starts with `marker` (NAME=value): how strays are found without a sandbox."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                variables = (entry / "environ").read_bytes().split(b"\0")
                if any(variable.startswith(marker.encode()) for variable in variables):
                    found.append(int(entry.name))
    return found


def send(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def usage(pids: list[int]) -> Usage:
    seconds, pages, count = 0.0, 0, 0
    for pid in pids:
        found = fields(pid)
        if found:
            seconds += sum(map(int, found[11:15])) / TICK  # its own, and that of its children that have ended
            pages += int(found[21])
            count += 1
    return Usage(cpu_seconds=round(seconds, 2), memory_mb=pages * PAGE // 1_048_576, processes=count)
