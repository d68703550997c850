"""What the next agent has to know about a workload, and which processes are it."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import asdict, dataclass, field

from apps.engines.base import State
from apps.engines.process import logs, processes

KILLED = 128 + signal.SIGKILL


def ending(code: int | None, *, starved: bool, counted: bool) -> str:
    """How a workload ended, in words. `starved`: for want of memory; `counted`: whether that can be known."""
    if starved:
        return "out of memory"
    if code is None:
        return "exited"
    if code == KILLED and not counted:
        return f"exited with code {code} (killed: perhaps for want of memory, which cannot be known on this host)"
    return f"exited with code {code}"


@dataclass(slots=True)
class Life:
    """Kept in a memfd. Times are of the monotonic clock, `since` of the wall's.

    `pid` is the process the agent started, `child` the first one inside its sandbox; `born` makes them unmistakable.
    """

    state: str = State.STARTING.value
    pid: int = 0
    born: int = 0
    child: int = 0
    child_born: int = 0
    port: int = 0
    restarts: int = 0
    attempts: list[float] = field(default_factory=list)
    next_start: float = 0.0
    exit_code: int | None = None
    reason: str = ""
    since: float = field(default_factory=time.time)
    stopping: bool = False
    sandboxed: bool = True

    @classmethod
    def read(cls, fd: int) -> Life:
        raw = logs.read_whole(fd)
        return cls(**json.loads(raw)) if raw else cls()

    def save(self, fd: int) -> None:
        logs.write_all(fd, json.dumps(asdict(self)).encode())

    def started(self, pid: int) -> None:
        self.pid, self.born = pid, processes.birth(pid)

    def entered(self, child: int) -> None:
        self.child, self.child_born = child, processes.birth(child)

    def ended(self) -> None:
        self.pid = self.born = self.child = self.child_born = self.port = 0

    @property
    def runs(self) -> bool:
        return processes.alive(self.pid, self.born)

    @property
    def inside_runs(self) -> bool:
        return processes.alive(self.child, self.child_born)

    def pids(self, marker: str) -> list[int]:
        """The workload's own processes, without those of the sandbox."""
        if self.child:
            return processes.descendants(self.child) if self.inside_runs else []
        if self.sandboxed:
            return [self.pid] if self.runs else []
        return sorted({*self.tree(), *(pid for pid in processes.marked(marker) if processes.birth(pid))})

    def tree(self) -> list[int]:
        """As `pids`, but without those that left their parents, which only happens without a sandbox: to find them
        takes a look at every process of the machine."""
        if self.child or self.sandboxed:
            return self.pids("")
        return [self.pid, *processes.descendants(self.pid)] if self.runs else []

    def kill(self, marker: str) -> None:
        """End everything at once. The first process of a sandbox takes the rest along."""
        if not self.sandboxed:
            for pid in self.pids(marker):
                processes.send(pid)
        if self.inside_runs:
            processes.send(self.child)
        if self.runs:
            processes.send(self.pid)
