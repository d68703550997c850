"""The one word for how a pod or an app is, made of what the database says and how old that is."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from django.utils import timezone

STALE = datetime.timedelta(seconds=45)  # the reconciler looks every few seconds; older means the engine is silent


def is_stale(seen: datetime.datetime | None, now: datetime.datetime | None = None) -> bool:
    """Whether what was observed at `seen` is too old to be called the state of now."""
    return seen is not None and (now or timezone.now()) - seen > STALE


@dataclass(frozen=True, slots=True)
class Running:
    """How the instances that traffic goes to are: `seen` is the oldest observation among them."""

    total: int = 0
    healthy: int = 0
    seen: datetime.datetime | None = None

    @property
    def state(self) -> str:
        if is_stale(self.seen):
            return "unknown"
        return "live" if self.healthy == self.total else "degraded"


class Seen(Protocol):
    @property
    def state(self) -> str: ...
    @property
    def observed_at(self) -> datetime.datetime | None: ...


def running(workloads: Iterable[Seen]) -> Running:
    """`workloads`: those that serve."""
    rows = list(workloads)
    seen = min((row.observed_at for row in rows if row.observed_at), default=None)
    return Running(len(rows), sum(row.state == "healthy" for row in rows), seen)


def pod_state(*, live: bool, last: str, instances: Running) -> str:
    """`live`: some revision is; `last`: the state of the newest deployment, empty if there is none."""
    if last in ("waiting", "pending"):
        return "deploying"
    if last == "degraded":
        return "degraded"
    if live:
        return instances.state
    return "failed" if last == "failed" else "not_deployed"
