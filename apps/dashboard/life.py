"""How an app or a database that runs is kept running, on its page: its state in words, and what may be asked of it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from apps.dashboard.pod_map import rest_of
from apps.deployments.models import AppControl
from apps.deployments.release import Release
from apps.pods import kinds
from apps.pods.models import Pod, Resource


@dataclass(frozen=True, slots=True)
class Life:
    """`rests`: stopped | asleep | empty, `since` and `by` whom. `pauses`: a restart is noticed, because of a disk."""

    rests: str
    since: datetime.datetime | None
    by: str
    scale: str
    under_way: bool
    pauses: bool


def life(pod: Pod, live: Resource | None, control: AppControl | None) -> Life | None:
    """None for what runs nothing: another kind, a static site, something that was never live."""
    if live is None or not kinds.get(live.kind).runs or pod.live is None or live.spec.get("server"):
        return None
    release = Release.of(pod.live)
    if live.kind == "App" and not release.runs(live.name):
        return None
    rests = rest_of(control)
    return Life(
        rests=rests,
        since=(control.stopped_at or control.asleep_since) if control else None,
        by=str(control.stopped_by) if control and control.stopped_by else "",
        scale=_scale(release, live),
        under_way=bool(control and control.due),
        pauses=bool(release.disks(live.name)),
    )


def _scale(release: Release, live: Resource) -> str:
    if kinds.get(live.kind).server:
        return "One server, the only writer of its disk."
    spec, count = live.spec, release.count(live.name)
    words = [f"{count} instance{'' if count == 1 else 's'}"]
    if spec.get("scaling") == "auto":
        targets = [
            f"{name} {spec[key]} %" for name, key in (("CPU", "targetCpu"), ("memory", "targetMemory")) if spec[key]
        ]
        words = [f"{words[0]} of {spec['minReplicas']} to {spec['maxReplicas']}, for {' and '.join(targets)}"]
    if minutes := spec.get("sleepAfter", 0):
        words.append(f"asleep after {minutes} min without a request")
    return "; ".join(words) + "."
