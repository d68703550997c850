"""What the instances of apps use, asked of the engine: differences between two looks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from apps.core.errors import PlatformError, Unavailable
from apps.engines.base import Engine, Handle, Usage
from apps.metrics.steps import FINE, Batch

LONGEST = 2.5 * FINE  # seconds between two looks; after a longer pause nothing is said of what was in it


@dataclass(frozen=True, slots=True)
class Instance:
    """What the platform wants to run, by the handle of `engine`."""

    pod: str
    app: str
    handle: Handle
    engine: str = ""


Instances = Callable[[], Mapping[str, Instance]]
"""By the workload's id."""


def on(engine: str, instances: Instances) -> Instances:
    """Those of `instances` that `engine` runs."""
    return lambda: {workload: one for workload, one in instances().items() if one.engine == engine}


@dataclass(frozen=True, slots=True)
class Seen:
    """At one look: the seconds of CPU since the start that is the `restarts`-th."""

    cpu: float
    restarts: int


class Watch:
    """Looks, one after the other. `clock` never jumps; the wall's time only says which bucket a look belongs to.

    `restarts`: those counted so far, by workload. They are the one thing that has to outlive the process: a restart
    while nobody looked is counted by the next who does.
    """

    def __init__(self, engine: Engine, instances: Instances) -> None:
        self._engine, self._instances = engine, instances
        self._seen: dict[str, Seen] = {}
        self._at: float | None = None

    def look(self, batch: Batch, *, wall: float, clock: float, restarts: Mapping[str, int]) -> dict[str, int]:
        """Count into `batch` what was used since the look before; the restarts counted by now.

        An engine that does not answer (PlatformError) leaves a gap: nothing is counted, and nothing guessed later.
        """
        instances = self._instances()
        statuses = self._engine.workloads() if instances else {}
        running = sorted(instances.keys() & statuses.keys())
        usages = {workload: self._usage(instances[workload].handle) for workload in running}
        elapsed = clock - self._at if self._at is not None else 0.0
        seen: dict[str, Seen] = {}
        memory: dict[tuple[str, str], int] = defaultdict(int)
        cpu: dict[tuple[str, str], float] = defaultdict(float)
        for workload, usage in usages.items():
            owner, starts = (instances[workload].pod, instances[workload].app), statuses[workload].restarts
            before = self._seen.get(workload)
            if starts > restarts.get(workload, starts):
                batch.at(*owner, wall).restarts += starts - restarts[workload]
            if usage is not None:
                seen[workload] = Seen(usage.cpu_seconds, starts)
                memory[owner] += usage.memory_mb
                cpu[owner] += _spent(before, seen[workload])
            elif before is not None:
                seen[workload] = before
        for owner, megabytes in memory.items():
            sums = batch.at(*owner, wall)
            sums.look(memory_mb=megabytes)
            if 0 < elapsed <= LONGEST:
                sums.cpu_ms += round(cpu[owner] * 1000)
                sums.watched_ms += round(elapsed * 1000)
        self._seen, self._at = seen, clock
        return {workload: statuses[workload].restarts for workload in running}

    def _usage(self, handle: Handle) -> Usage | None:
        """None for one that does not run now. Raises Unavailable with the engine."""
        try:
            return self._engine.stats(handle)
        except Unavailable:
            raise
        except PlatformError:
            return None


def _spent(before: Seen | None, now: Seen) -> float:
    """Seconds of CPU between two looks. One not seen before, or started again since, has spent what it has.

    Less than before without a start: a process of it has ended, and took its time with it.
    """
    if before is None or before.restarts != now.restarts:
        return now.cpu
    return max(0.0, now.cpu - before.cpu)
