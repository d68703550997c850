"""Limits of build steps, where this process may set them: on the daemon's host, as root.

BuildKit itself bounds neither the memory nor the processes of a step. It gives each a control group of its own beneath
one called `buildkit`; what appears there while a build of ours runs gets the limits of a build. That group itself, a
neighbour of the apps' containers, yields to them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from apps.engines.base import Limits

ROOT = Path("/sys/fs/cgroup")
_PERIOD = 100_000  # microseconds
_YIELDING = {"cpu.weight": "11", "cpu.shares": "110"}  # of 100 and of 1024, which apps have: what nice 10 comes to


class Watch:
    """Call `look` several times a second. Where the groups cannot be written to, it does nothing."""

    def __init__(self, limits: Limits, root: Path = ROOT) -> None:
        self._root = root
        self._unified = (root / "cgroup.controllers").exists()
        self._limits = limits
        self._seen: set[str] = set()

    def look(self) -> None:
        for parent in self._parents():
            with suppress(OSError), os.scandir(parent) as found:  # most of them are not there
                for entry in found:
                    if entry.path not in self._seen and entry.is_dir(follow_symlinks=False):
                        self._seen.add(entry.path)
                        self._bound(Path(entry.path))
                        _set(Path(parent), _YIELDING)

    def _parents(self) -> Iterator[str]:
        """Where `buildkit` groups may be: beneath the daemon's own (docker, or a slice), a directory or two down."""
        for base in [self._root] if self._unified else [self._root / c for c in ("pids", "memory", "cpu")]:
            yield from (f"{base}/docker/buildkit", f"{base}/buildkit", f"{base}/system.slice/docker.service/buildkit")
            with suppress(OSError), os.scandir(base) as found:
                yield from [f"{entry.path}/docker/buildkit" for entry in found if entry.is_dir(follow_symlinks=False)]

    def _bound(self, group: Path) -> None:
        memory, quota = self._limits.memory * 1_048_576, max(1000, int(self._limits.cpu * _PERIOD))
        values = {"pids.max": str(self._limits.processes)}
        if self._unified:
            values |= {"memory.max": str(memory), "memory.swap.max": "0", "memory.oom.group": "1"}
            values |= {"cpu.max": f"{quota} {_PERIOD}"}
        else:
            values |= {"memory.limit_in_bytes": str(memory), "cpu.cfs_quota_us": str(quota)}
        _set(group, values)


def _set(group: Path, values: Mapping[str, str]) -> None:
    """Those of `values` that there are here."""
    for name, value in values.items():
        if (group / name).exists():
            with suppress(OSError):
                (group / name).write_text(value)
