"""Memory, CPU and process limits by cgroup, version 1 or 2, where this process may make groups; else nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from apps.engines.base import Limits

ROOT = Path("/sys/fs/cgroup")
PERIOD = 100_000  # microseconds


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where groups are made: one directory in version 2, one per controller in version 1."""

    unified: bool
    parents: dict[str, Path]

    def names(self) -> set[str]:
        """The groups there are."""
        return {path.name for parent in self.parents.values() for path in parent.iterdir() if path.is_dir()}

    def remove(self) -> None:
        for parent in set(self.parents.values()):
            with contextlib.suppress(OSError):
                parent.rmdir()


def detect(name: str) -> Hierarchy | None:
    """The hierarchy to use, with a group `name` made in it; None when none is writable."""
    if (ROOT / "cgroup.controllers").exists():
        return _detect_unified(name)
    parents: dict[str, Path] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in ("memory", "cpu", "pids"):
                base = ROOT / controller / own.lstrip("/")
                parent = (base if base.is_dir() else ROOT / controller) / name
                with contextlib.suppress(OSError):
                    parent.mkdir(exist_ok=True)
                    parents[controller] = parent
    return Hierarchy(False, parents) if "memory" in parents else None


def _detect_unified(name: str) -> Hierarchy | None:
    try:
        own = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
        parent = ROOT / own.lstrip("/") / name
        parent.mkdir(exist_ok=True)
        for holder in (parent.parent, parent):
            (holder / "cgroup.subtree_control").write_text("+memory +pids +cpu")
    except OSError:
        with contextlib.suppress(OSError, UnboundLocalError):
            parent.rmdir()
        return None
    return Hierarchy(True, dict.fromkeys(("memory", "cpu", "pids"), parent))


class Group:
    """The group of one workload."""

    def __init__(self, hierarchy: Hierarchy, name: str) -> None:
        self._unified = hierarchy.unified
        self._paths = {controller: parent / name for controller, parent in hierarchy.parents.items()}

    def create(self, limits: Limits) -> None:
        for path in set(self._paths.values()):
            path.mkdir(exist_ok=True)
        memory, quota = limits.memory * 1_048_576, max(1000, int(limits.cpu * PERIOD))
        if self._unified:
            self._set("memory", "memory.max", str(memory))
            self._set("memory", "memory.swap.max", "0")
            self._set("memory", "memory.oom.group", "1")
            self._set("cpu", "cpu.max", f"{quota} {PERIOD}")
        else:
            self._set("memory", "memory.limit_in_bytes", str(memory))
            self._set("memory", "memory.memsw.limit_in_bytes", str(memory))
            self._set("cpu", "cpu.cfs_period_us", str(PERIOD))
            self._set("cpu", "cpu.cfs_quota_us", str(quota))
        self._set("pids", "pids.max", str(limits.processes))

    def _set(self, controller: str, name: str, value: str) -> None:
        with contextlib.suppress(OSError, KeyError):  # a kernel without this control limits the rest
            (self._paths[controller] / name).write_text(value)

    def join(self) -> None:
        """Move the calling process in; for a child before it becomes the workload."""
        for path in set(self._paths.values()):
            fd = os.open(path / "cgroup.procs", os.O_WRONLY)
            os.write(fd, b"0")
            os.close(fd)

    def pids(self) -> list[int]:
        found: set[int] = set()
        for path in self._paths.values():
            with contextlib.suppress(OSError):
                found.update(int(pid) for pid in (path / "cgroup.procs").read_text().split())
        return sorted(found)

    def _read(self, name: str) -> str:
        try:
            return (self._paths["memory"] / name).read_text()
        except OSError:
            return ""

    def out_of_memory(self) -> bool:
        """Whether the kernel killed something in here for want of memory."""
        text = self._read("memory.events" if self._unified else "memory.oom_control")
        counts = dict(line.split() for line in text.splitlines() if len(line.split()) == 2)
        return int(counts.get("oom_kill", "0")) > 0

    def peak_mb(self) -> int:
        text = self._read("memory.peak" if self._unified else "memory.max_usage_in_bytes").strip()
        return int(text) // 1_048_576 if text.isdigit() else 0

    def remove(self) -> None:
        """End whatever is left in here, and the group. What does not die within a second leaves an empty shell."""
        for _ in range(50):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            for path in set(self._paths.values()):
                with contextlib.suppress(OSError):
                    path.rmdir()
            if not any(path.exists() for path in self._paths.values()):
                return
            time.sleep(0.02)
