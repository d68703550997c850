"""What was counted in some stretch of time. Pure, and of whole numbers only: adding up loses and invents nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from apps.edge.access_log import Served
from apps.metrics import latency


@dataclass(slots=True)
class Sums:
    """The sums of two stretches make the sums of both, in whatever order (`add`).

    Of requests, by the class of their status; `timed` is how many `latencies` counts, `took_ms` how long they took
    together. Of the instances: the CPU time they used in the `watched_ms` in which that was looked at, and at each of
    the `looks` the MB they had together. `figures`: what database servers said of themselves (apps/metrics/databases).
    """

    informational: int = 0  # 1xx
    succeeded: int = 0  # 2xx
    redirected: int = 0  # 3xx
    refused: int = 0  # 4xx
    failed: int = 0  # 5xx
    received: int = 0  # bytes
    sent: int = 0
    timed: int = 0
    took_ms: int = 0
    cpu_ms: int = 0
    watched_ms: int = 0
    looks: int = 0
    memory_mb: int = 0  # the sum over all looks
    memory_most: int = 0  # the greatest of them
    restarts: int = 0
    latencies: latency.Histogram = field(default_factory=dict)
    figures: dict[str, int] = field(default_factory=dict)

    def add(self, other: Sums) -> None:
        for name in ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.memory_most = max(self.memory_most, other.memory_most)
        for number, count in other.latencies.items():
            self.latencies[number] = self.latencies.get(number, 0) + count
        self.note(other.figures)

    def note(self, figures: Mapping[str, int]) -> None:
        for name, amount in figures.items():
            self.figures[name] = self.figures.get(name, 0) + amount

    def count(self, served: Served) -> None:
        name = CLASSES[served.status // 100 - 1]
        setattr(self, name, getattr(self, name) + 1)
        self.received += served.received
        self.sent += served.sent
        if served.ms is not None:
            number = latency.bucket(served.ms)
            self.timed += 1
            self.took_ms += served.ms
            self.latencies[number] = self.latencies.get(number, 0) + 1

    def look(self, *, memory_mb: int) -> None:
        self.looks += 1
        self.memory_mb += memory_mb
        self.memory_most = max(self.memory_most, memory_mb)

    @property
    def requests(self) -> int:
        return self.informational + self.succeeded + self.redirected + self.refused + self.failed

    @property
    def memory(self) -> float | None:
        """MB on average; None when nobody looked."""
        return self.memory_mb / self.looks if self.looks else None

    @property
    def cpu(self) -> float | None:
        """Cores on average; None when nobody looked."""
        return self.cpu_ms / self.watched_ms if self.watched_ms else None


CLASSES = ("informational", "succeeded", "redirected", "refused", "failed")
"""The fields that count requests, by the first figure of the status."""

NUMBERS = tuple(one.name for one in fields(Sums) if one.name not in ("latencies", "figures"))
ADDED = tuple(name for name in NUMBERS if name != "memory_most")


def total(parts: Iterable[Sums]) -> Sums:
    found = Sums()
    for part in parts:
        found.add(part)
    return found
