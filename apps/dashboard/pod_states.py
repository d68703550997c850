"""The one word for how a pod or an app is, made of what the database says and how old that is."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from django.utils import timezone

from apps.deployments.models import Workload
from apps.deployments.observing import SILENT
from apps.engines import recovery

STALE = SILENT  # the reconciler looks every few seconds; older means the engine is silent


def is_stale(seen: datetime.datetime | None, now: datetime.datetime | None = None) -> bool:
    """Whether what was observed at `seen` is too old to be called the state of now."""
    return seen is not None and (now or timezone.now()) - seen > STALE


def silence(workload: Workload) -> str:
    """What to say of an instance the engine has not answered for in too long, with its age; empty if it has."""
    if workload.observed_at is None or not is_stale(workload.observed_at):
        return ""
    seconds = (timezone.now() - workload.observed_at).total_seconds()
    who = f"the node {workload.handle['host']}" if "away" in workload.handle else recovery.ENGINE
    if workload.state != "lost":
        return recovery.unknown_words(seconds, who)
    return recovery.lost_words(max(seconds, recovery.LOST_AFTER), listens=bool(workload.address), others=0, who=who)


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


def resting(*, stopped: bool, asleep: bool) -> str:
    """The word for an app, or for a pod none of whose apps runs, when some are stopped by hand or asleep."""
    if asleep:
        return "asleep"
    return "stopped" if stopped else ""


def pod_state(*, live: bool, last: str, instances: Running, rests: str = "") -> str:
    """`live`: some revision is; `last`: the state of the newest deployment, empty if there is none; `rests`: `resting`
    of its apps.
    """
    if last in ("waiting", "pending"):
        return "deploying"
    if last == "degraded":
        return "degraded"
    if live:
        return rests if rests and not instances.total else instances.state
    return "failed" if last == "failed" else "not_deployed"
