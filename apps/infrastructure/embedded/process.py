"""Starting a process that cannot outlive what started it, and ending whole groups of them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36
_M_ARENA_MAX = -8
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def dies_with_parent(how: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends `how` to the child when the thread that started it ends (Linux only)."""
    parent = os.getpid()

    def arrange() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(how))
            if os.getppid() != parent:
                os._exit(125)

    return arrange


def bind_to_parent(how: signal.Signals) -> None:
    """The kernel sends `how` to this process when its parent ends (Linux only)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(how))


def rename(name: str) -> None:
    """What `ps -o comm` and `top` call this process: at most 15 letters (Linux only)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_NAME, name.encode()[:15])


def can_adopt() -> bool:
    """Whether this machine lets a process become the parent of its grandchildren, and watch them."""
    if _libc is None or not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    found = ctypes.c_int()
    return bool(_libc.prctl(_PR_SET_CHILD_SUBREAPER + 1, ctypes.byref(found)) == 0)


@contextmanager
def adopting() -> Iterator[None]:
    """While this lasts, a descendant whose parent ends becomes this process's child."""
    assert _libc is not None
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 0)


def keep_memory_small() -> None:
    """Two heaps for all threads instead of eight a core (glibc only); before the process has threads."""
    with suppress(AttributeError):
        _libc and _libc.mallopt(_M_ARENA_MAX, 2)


def give_back_memory() -> None:
    """Return what was freed to the system (glibc only)."""
    with suppress(AttributeError):
        _libc and _libc.malloc_trim(0)


def end_group(group: int, how: signal.Signals) -> None:
    """Signal every process of the group; one that is gone is no error."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, how)


def group_alive(group: int) -> bool:
    """Whether the group has a process that is not merely waiting to be reaped."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    if not Path("/proc/self/stat").exists():
        return True
    return any(fields[2] == str(group) and fields[0] not in "ZX" for fields in _stats())


def wait_group(group: int, seconds: float) -> bool:
    """Whether the group is gone within `seconds`."""
    deadline = time.monotonic() + seconds
    while group_alive(group):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def group_usage(group: int) -> tuple[int, float]:
    """Resident MB and seconds of CPU of all processes of the group; nothing where there is no /proc."""
    if not Path("/proc/self/stat").exists():
        return 0, 0.0
    found = [fields for fields in _stats() if fields[2] == str(group)]
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    return (
        sum(int(fields[21]) for fields in found) * page // 2**20,
        sum(int(fields[11]) + int(fields[12]) for fields in found) / ticks,
    )


def identity(pid: int) -> str:
    """`<boot>:<start>`: what tells this process from a later one with the same number; empty when there is none."""
    try:
        return f"{boot()}:{_fields(Path(f'/proc/{pid}/stat').read_text())[19]}"
    except (OSError, IndexError):
        pass
    # No /proc (macOS): the time it was started at.
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return f"{boot()}:{shown.strip().replace(' ', '-')}" if shown.strip() else ""


def parent(pid: int) -> int:
    """The number of the process that started it; 0 when that cannot be told."""
    try:
        return int(_fields(Path(f"/proc/{pid}/stat").read_text())[1])
    except (OSError, IndexError):
        return 0


def program(pid: int) -> str:
    """The path of what it executes, marked if that is there no more; empty when that cannot be told."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""


def boot() -> str:
    """What stays the same until the machine starts again."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _stats() -> list[list[str]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                found.append(_fields((entry / "stat").read_text()))
    return found


def _fields(stat: str) -> list[str]:
    """The fields after the name, which may hold blanks and brackets: state, ppid, pgrp, session, …, 19: start."""
    return stat.rpartition(")")[2].split()
