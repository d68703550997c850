"""Who holds something, written so that every process of the same host can see whether the holder still lives.

A holder is `<machine>:<boot>:<pid namespace>:<pid>:<start>`; empty where the system does not tell (no /proc): nothing
is ever concluded from that. The machine is empty where it cannot be told from another one for certain.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path

INITIAL = "4026531836"  # the namespace of process numbers of a machine that is no container (the kernel's proc_ns.h)


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
    if not process.isdigit() or not host:
        return False
    if host != _host():
        return _before_this_boot(host)
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    stat = _stat(process)
    # A file that cannot be read though the process is there (hidepid) says nothing.
    return bool(stat) and (stat[0] in "ZX" or stat[19] != holder.rpartition(":")[2])


def _before_this_boot(host: str) -> bool:
    """Whether the holder's host is this very machine, started again since: whatever ran then has ended."""
    machine, _, boot = host.rpartition(":")[0].partition(":")
    mine, _, now = _host().rpartition(":")[0].partition(":")
    return bool(machine) and machine == mine and bool(boot) and boot != now


def _machine(namespace: str) -> str:
    """What stays of this machine when it is started again.

    Empty in containers: several of one image have one /etc/machine-id, on other machines too. Machines that were
    copied with it have names of their own.
    """
    if namespace != INITIAL:
        return ""
    try:
        number = Path("/etc/machine-id").read_text().strip()
    except OSError:
        return ""
    name = f"{number} {platform.node()}"
    return hashlib.sha256(name.encode()).hexdigest()[:16] if len(number) == 32 else ""


@functools.cache
def _host() -> str:
    """This machine, its boot, and the namespace of its process numbers: two containers have the same numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink()).partition("[")[2].rstrip("]")
    except OSError:
        return ""
    return f"{_machine(namespace)}:{boot}:{namespace}"


def _stat(process: str) -> list[str]:
    """The fields after the name, which may hold blanks and brackets: 0 is the state, 19 the start in ticks."""
    try:
        return Path("/proc", process, "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
