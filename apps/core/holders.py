"""Who holds something, written so that every process of the same host can see whether the holder still lives.

A holder is `<boot>:<pid namespace>:<pid>:<start>`; empty where the system does not tell (no /proc): nothing is ever
concluded from that.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path


def me() -> str:
    """This process."""
    return of(os.getpid())


def of(pid: int) -> str:
    """The process of this host with that number; empty if there is none."""
    host, stat = _host(), _stat(str(pid))
    return f"{host}:{pid}:{stat[19]}" if host and stat else ""


def gone(holder: str) -> bool:
    """Whether `holder` was a process of this host that has ended. False when that cannot be known from here."""
    host, _, process = holder.rpartition(":")[0].rpartition(":")
    if not process.isdigit() or not host or host != _host():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    stat = _stat(process)
    # A file that cannot be read though the process is there (hidepid) says nothing.
    return bool(stat) and (stat[0] in "ZX" or stat[19] != holder.rpartition(":")[2])


@functools.cache
def _host() -> str:
    """This boot of this machine, and the namespace of its process numbers: two containers have the same numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink()).partition("[")[2].rstrip("]")
    except OSError:
        return ""
    return f"{boot}:{namespace}"


def _stat(process: str) -> list[str]:
    """The fields after the name, which may hold blanks and brackets: 0 is the state, 19 the start in ticks."""
    try:
        return Path("/proc", process, "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
