"""What database servers say of themselves.

Gauges are added up beside the number of `SAMPLES`, so that any two stretches of time make the average of both; counters
are the differences between two looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

SAMPLES = "samples"
GAUGES = ("connections", "limit", "size", "keys")
"""Clients connected and how many may be; bytes of data, or of memory of a server that keeps all of it there; keys."""
COUNTERS = ("hits", "misses", "slow", "evictions")
"""Reads answered from memory and not (of keys: found and not); statements the server calls slow; keys dropped."""
SECONDS = 3.0  # a server may take for a connection, and for an answer
STATEMENTS = 10  # are kept of each


@dataclass(frozen=True, slots=True)
class Database:
    """One that runs. `kind`: of resource. `password`: of the platform's own user; may raise PlatformError.

    `user`: what that is called; empty: as in every server that is a pod's.
    """

    pod: str
    name: str
    kind: str
    host: str
    port: int
    password: Callable[[], str] = field(repr=False)
    user: str = ""


Databases = Callable[[], Mapping[str, Database]]
"""By the workload's id."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment; what a server does not have is left out."""

    gauges: Mapping[str, int]
    counters: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Statement:
    """A kind of statement, never with values, and what was spent on it since the server began to count."""

    text: str
    calls: int
    total_ms: float
    longest_ms: float | None = None

    @property
    def mean_ms(self) -> float:
        return self.total_ms / self.calls if self.calls else 0.0


class Connection(Protocol):
    """To one server, kept open. Whatever goes wrong raises the driver's own error within SECONDS or a little more."""

    def look(self) -> Look: ...
    def size(self) -> None:
        """Measure what takes longer, for the looks from now on."""

    def statements(self) -> list[Statement]: ...
    def close(self) -> None: ...
