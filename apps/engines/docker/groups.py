"""What a container of this machine uses, from its control groups, of version 1 or 2.

Asked of the daemon it takes up to a second for each container (until its next look at all of them) and some 20 ms of
CPU: with fifty apps a round would take longer than figures are kept.
"""

from __future__ import annotations

from pathlib import Path

from apps.engines.base import Usage

ROOT = Path("/sys/fs/cgroup")
MB = 1_048_576


def usage(groups: str, root: Path = ROOT) -> Usage | None:
    """`groups`: the text of /proc/PID/cgroup. None where they cannot be read, or have ended."""
    unified = (root / "cgroup.controllers").exists()
    try:
        return _unified(root, groups) if unified else _separate(root, groups)
    except (OSError, KeyError, ValueError):
        return None


def _unified(root: Path, groups: str) -> Usage:
    (own,) = (line.partition("::")[2] for line in groups.splitlines() if line.startswith("0::"))
    group = root / own.lstrip("/")
    cache = _table(group / "memory.stat")["inactive_file"]
    spent = _table(group / "cpu.stat")["usage_usec"] / 1e6
    return _usage(spent, _number(group / "memory.current") - cache, _number(group / "pids.current"))


def _separate(root: Path, groups: str) -> Usage:
    places: dict[str, Path] = {}
    for line in groups.splitlines():
        _, controllers, own = line.split(":", 2)
        places |= {name: root / name / own.lstrip("/") for name in controllers.split(",")}
    cache = _table(places["memory"] / "memory.stat")["total_inactive_file"]
    memory = _number(places["memory"] / "memory.usage_in_bytes") - cache
    spent = _number(places["cpuacct"] / "cpuacct.usage") / 1e9
    return _usage(spent, memory, _number(places["pids"] / "pids.current"))


def _usage(seconds: float, memory: int, processes: int) -> Usage:
    """`memory` in bytes."""
    return Usage(seconds, max(0, memory) // MB, processes)


def _number(path: Path) -> int:
    return int(path.read_text())


def _table(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in map(str.split, path.read_text().splitlines())}
