"""Every 15 seconds: as many instances as the load asks for, and none of what nobody asks for.

What is decided is written down as people's wishes are (apps/deployments/lifecycle.py), and brought about the same way.
While figures are missing nothing is taken away and nothing falls asleep.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import structlog
from django.db.models import Max, Q
from django.utils import timezone

from apps.core.errors import PlatformError
from apps.deployments import lifecycle, scaling, settling
from apps.deployments.duties import duty
from apps.deployments.models import AppControl, Deployment, Workload
from apps.deployments.release import Release
from apps.metrics import reader, store
from apps.metrics.steps import FINE, KEPT, MIDDLE
from apps.metrics.sums import Sums
from apps.pods.models import Pod, Resource
from apps.pods.sizes import SIZES

log = structlog.get_logger(__name__)
STALE = 4 * FINE  # seconds; figures that stopped coming that long ago say nothing of now


def regulate() -> None:
    """One look at every app that scales or sleeps by itself. One that cannot be looked at is left as it is."""
    with duty("regulate") as lease:
        age = reader.age() if lease else None
        if lease is None or age is None or age > STALE:
            return
        for release, app in _concerned():
            control = lifecycle.control_of(release.revision.pod_id, app)
            if control.due or control.stopped_at or control.asleep_since:
                continue
            try:
                if not _sleeps(release, control):
                    _scale(release, control)
            except PlatformError as error:
                log.info("not_regulated", pod=control.pod_id, app=app, error=str(error))


def _concerned() -> Iterator[tuple[Release, str]]:
    asked = Q(spec__scaling="auto") | Q(spec__sleepAfter__gt=0)
    revisions = Resource.objects.filter(asked, kind="App").values("revision")
    for pod in Pod.objects.filter(deleting_at=None, live__in=revisions).select_related("live"):
        if pod.live is None or settling.in_rollout(pod.pk):
            continue
        release = Release.of(pod.live)
        for app in release.apps():
            spec = release.snapshot[app].spec
            if release.runs(app) and (spec.get("scaling") == "auto" or spec.get("sleepAfter")):
                yield release, app


def _scale(release: Release, control: AppControl) -> None:
    spec = release.snapshot[control.app].spec
    if spec.get("scaling") != "auto":
        return
    targets = scaling.Targets(
        least=spec["minReplicas"],
        most=spec["maxReplicas"],
        cpu=spec["targetCpu"],
        memory=spec["targetMemory"],
        cooldown=float(spec["scaleCooldown"]),
    )
    samples = _samples(control, spec["instance"], targets.cooldown)
    since = (timezone.now() - control.scaled_at).total_seconds() if control.scaled_at else None
    decision = scaling.decide(release.count(control.app), samples, targets, since_change=since)
    if decision and lifecycle.scale(control=control, count=decision.count, words=decision.words):
        log.info("scaled", pod=control.pod_id, app=control.app, words=decision.words)


def _samples(control: AppControl, instance: str, seconds: float) -> list[scaling.Sample]:
    """What the app used in each stretch of the last `seconds`, but the one under way: it is not counted yet."""
    size = SIZES[instance]
    end = int(time.time() // FINE) * FINE
    first = end - int(seconds // FINE) * FINE
    found = store.between(control.pod_id, control.app, FINE, first, end)
    samples = [_sample(found.get(start), size.cpu, size.memory) for start in range(first, end, FINE)]
    if samples and samples[-1] == scaling.Sample():  # the collector may be on its way to write it
        samples.pop()
    return samples


def _sample(sums: Sums | None, cores: float, megabytes: int) -> scaling.Sample:
    if sums is None:
        return scaling.Sample()
    cpu, memory = sums.cpu, sums.memory
    return scaling.Sample(None if cpu is None else cpu / cores, None if memory is None else memory / megabytes)


def _sleeps(release: Release, control: AppControl) -> bool:
    """Whether the app was put to sleep: no request ended in the time that was set, none is open, nothing began."""
    minutes = release.snapshot[control.app].spec.get("sleepAfter", 0)
    if not minutes:
        return False
    now = timezone.now()
    quiet_since = now - timedelta(minutes=minutes)
    if _began(control) > quiet_since or _answered(control, quiet_since, minutes):
        return False
    rows = Workload.objects.filter(pod=control.pod_id, app=control.app, serving=True).exclude(state="stopped")
    if any(row.runner.connections(row.handle) for row in rows if row.handle):
        AppControl.objects.filter(pk=control.pk).update(active_at=now)
        return False
    words = f"No request for {minutes} minute{'' if minutes == 1 else 's'}: asleep until the next one"
    return lifecycle.put_to_sleep(control=control, fingerprint=release.fingerprint(control.app), words=words)


def _began(control: AppControl) -> datetime:
    """When something last happened that is no request: it was deployed, started, woken, or found busy."""
    deployed = Deployment.objects.filter(pod=control.pod_id).aggregate(at=Max("switched_at"))["at"]
    mine = Workload.objects.filter(pod=control.pod_id, app=control.app, serving=True)
    started = mine.aggregate(at=Max("created_at"))["at"]
    known = [moment for moment in (deployed, started, control.active_at) if moment]
    return max(known, default=timezone.now())


def _answered(control: AppControl, since: datetime, minutes: int) -> bool:
    """Whether a request of the app ended after `since`, as far as has been counted."""
    step = FINE if minutes * 60 < KEPT[FINE] else MIDDLE
    first = int(since.timestamp() // step) * step
    found = store.between(control.pod_id, control.app, step, first, int(time.time()) + step)
    return any(sums.requests for sums in found.values())
