"""The processes of a platform: which service each belongs to, what it costs."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.stack.platform import SERVICES, Platform

CORES = os.cpu_count() or 1
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """`cpu` in seconds since it began, `memory` in MB (its proportional share). `apps`: inside an app's sandbox.

    `reaped`: seconds of CPU of its children that have ended.
    """

    pid: int
    service: str
    cpu: float
    memory: float
    reaped: float


def of(platform: Platform) -> list[Process]:
    """Everything of the platform; the apps' own processes, and what encloses them, as "apps"."""
    parents = dict(_parents())
    roots = {platform.pid(service): service for service in SERVICES} | {platform.pid("supervisor"): "supervisor"}
    ours = os.fsencode(platform.state)
    found = []
    for pid in parents:
        with suppress(OSError, ProcessLookupError):
            service = _service(pid, parents, roots, ours)
            if service:
                found.append(Process(pid, service, _cpu(pid), _memory(pid), _reaped(pid)))
    return found


def cpu(found: Iterable[Process]) -> dict[str, float]:
    """Seconds of CPU of each service so far, those of children included that have ended and that it waited for.

    What ends between two looks is in its parent's account by the second: their difference is what was used.
    """
    used: dict[str, float] = defaultdict(float)
    for process in found:
        used[process.service] += process.cpu + process.reaped
    return used


def _parents() -> list[tuple[int, int]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                found.append((int(entry.name), int(_stat(int(entry.name))[1])))
    return found


def _service(pid: int, parents: dict[int, int], roots: dict[int, str], ours: bytes) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    line = [pid]
    while line[-1] in parents and line[-1] not in roots:
        line.append(parents[line[-1]])
    if line[-1] in roots:
        service = roots[line[-1]]
        inside = service == "engine" and pid != line[-1] and b"keeper" not in command
        return "apps" if inside else service
    return "engine" if b"keeper" in command and ours in command else ""


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _cpu(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _reaped(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[13]) + int(fields[14])) / _TICKS


def _memory(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
