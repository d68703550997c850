"""What is, brought to what should be: every few seconds, and first thing at start.

The database says what should be. Whatever died (a worker, the engine, the broker, the machine), the next pass finds
the difference and mends it; a pass that finds none costs a handful of queries.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from apps import edge, engines
from apps.builds import fleet
from apps.core.errors import PlatformError, Unavailable, UserError
from apps.core.masking import Mask
from apps.core.states import move
from apps.deployments import (
    announcing,
    deadlines,
    dispatch,
    feed,
    inspections,
    launch,
    lifecycle,
    lookups,
    observing,
    queue,
    settling,
    wake,
)
from apps.deployments.checks import Check
from apps.deployments.desired import edge_state
from apps.deployments.duties import duty
from apps.deployments.events import changed
from apps.deployments.models import (
    DEPLOYMENT_MOVES,
    OPEN_STATES,
    WORKLOAD_MOVES,
    AppControl,
    Deployment,
    StageRun,
    Workload,
)
from apps.deployments.release import Release
from apps.deployments.retire import retire
from apps.deployments.rollout import undo
from apps.engines import recovery
from apps.engines.base import State, Status
from apps.infrastructure import declaring, networks
from apps.infrastructure import workloads as services
from apps.logs.writer import LogWriter
from apps.pods.models import Pod, Resource

log = structlog.get_logger(__name__)
GONE = "Started again: it was gone."
EDGE_EVERY = 3  # passes
SEEN_EVERY = datetime.timedelta(seconds=15)  # how old "observed" becomes before it is written again


def reconcile() -> None:
    """One pass. Every part is tried though another fails.

    Who changes what is to be served tells the edge at once; here it is told after a pass that changed something, and
    every few passes whatever happened: reading all of it is most of what a pass costs.
    """
    with duty("reconcile") as lease:
        if lease is None:
            return
        news = lease.fence % EDGE_EVERY == 0
        for part in (
            _jobs,
            inspections.tend,
            lookups.LOOKUPS.tend,
            _workloads,
            networks.tend,
            declaring.tend,
            services.tend,
            _leftovers,
            settling.wake_due,
            _deletions,
            fleet.note_runtime,
        ):
            news = _tried(part) or news
        if news:
            _tried(_edge)


def _tried(part: Callable[[], object]) -> bool:
    """Whether `part` changed something, or may have before it failed."""
    try:
        return bool(part())
    except PlatformError as error:
        log.info("reconcile_waits", part=part.__name__, error=str(error))
        return True


def _jobs() -> None:
    """Wake workers for deployments nobody works on, and end those past their deadline."""
    if not Deployment.objects.filter(state__in=OPEN_STATES).exists():
        return
    now = timezone.now()
    for deployment in deadlines.over(now):
        Deployment.objects.filter(pk=deployment.pk).update(fence=F("fence") + 1, leased_until=None)
        undo(deployment, lambda _: None)
        words = "It took longer than a deployment may take."
        with transaction.atomic():
            if move(
                deployment, "failed", table=DEPLOYMENT_MOVES, where={"switched_at": None},
                finished_at=now, error=words, error_code="deadline_passed", hint="Deploy again: the log says where.",
            ):  # fmt: skip
                announcing.deployment_ended(deployment)
        stages = StageRun.objects.filter(deployment=deployment, state__in=("pending", "running"))
        if deployment.state == "failed":
            stages.update(state="skipped", note="The deadline passed.")
            with LogWriter.open(deployment.stream, mask=Mask([])) as writer:
                writer.ended("failed", note=words)
        changed(deployment.pod_id, deployment.pk)
    dispatch.assign()
    for pk in queue.unattended():
        wake.wake(wake.RUN, pk)


def _workloads() -> bool:
    """Each engine by itself; whether anything was not as it stood. Raises what one raised, when all were looked at."""
    rows: dict[str, dict[str, Workload]] = {name: {} for name in engines.offered()}
    for workload in Workload.objects.exclude(state="stopped"):
        rows.setdefault(workload.engine or engines.default(), {})[workload.pk] = workload
    failure: PlatformError | None = None
    news = False
    for name, known in rows.items():
        try:
            news = _compare(name, known) or news
        except PlatformError as error:
            failure = error
    if failure:
        raise failure
    return news


def _compare(engine: str, rows: dict[str, Workload]) -> bool:
    """Compare what `engine` runs with its rows: note it, start again what is gone, stop what nobody knows."""
    runner = engines.named(engine)
    try:
        seen = runner.workloads()
    except Unavailable:
        observing.silent([w for w in rows.values() if w.serving])
        raise
    checked = _checked([w for pk, w in rows.items() if pk in seen and w.serving and _undecided(w, seen[pk])])
    news = False
    for pk, workload in rows.items():
        status = seen.get(pk, Status(State.GONE))
        if status.state is not State.GONE:
            moved = _moved(workload, status.address)
            if status.leaving and workload.serving:
                lifecycle.replace(workload)
            if status.state is State.UNKNOWN and status.host and workload.serving:
                observing.cut_off(workload, status.host)
            news = observing.note(workload, status, checked=pk in checked) or moved or news
            if status.state is State.RUNNING and status.host:
                observing.on_host(workload, status.host)
        elif workload.serving and not workload.yielded_to_id:
            _start_again(workload)
            news = True
    _seen(pk for pk in rows.keys() & seen.keys() if seen[pk].state is not State.UNKNOWN)
    for stranger in seen.keys() - rows.keys() - services.runs():
        if not Workload.objects.filter(pk=stranger).exclude(state="stopped").exists():
            log.warning("orphan_stopped", workload=stranger)
            runner.stop({"id": stranger}, 5.0)
    return news


def _undecided(workload: Workload, status: Status) -> bool:
    """Whether that it runs may not be enough to call it healthy."""
    return workload.state != "healthy" or status.restarts > workload.restarts


def _checked(workloads: list[Workload]) -> set[str]:
    """The ids of those whose health check says when they are healthy."""
    if not workloads:
        return set()
    named = Resource.objects.filter(
        revision__in={w.revision_id for w in workloads}, name__in={w.app for w in workloads}
    )
    alive = {(resource.revision_id, resource.name) for resource in named if Check.of(resource, "").type == "alive"}
    return {w.pk for w in workloads if (w.revision_id, w.app) not in alive}


def _moved(workload: Workload, address: str) -> bool:
    """Whether the engine has it elsewhere now: traffic follows at the end of this pass."""
    if not address or workload.handle.get("address") in (None, address):
        return False
    log.info("workload_moved", workload=workload.pk, address=address)
    workload.handle = {**workload.handle, "address": address}
    Workload.objects.filter(pk=workload.pk).update(handle=workload.handle)
    changed(workload.pod_id)
    return True


def _seen(answered: Iterable[str]) -> None:
    """Write down when the engine last answered for these: pages call a state unknown once that is long ago."""
    now = timezone.now()
    old = Q(observed_at=None) | Q(observed_at__lt=now - SEEN_EVERY)
    Workload.objects.filter(old, pk__in=list(answered)).update(observed_at=now)


def _start_again(workload: Workload) -> None:
    """Bring back what should serve and is gone: after a reboot, or the engine's own end. Never what is stopped.

    The engine answers and has it not, so nothing of it runs anywhere: that holds for a worker too. One that cannot be
    started waits longer each time.
    """
    now = timezone.now()
    if workload.retry_at is not None and now < workload.retry_at:
        return
    if AppControl.objects.filter(pod=workload.pod_id, app=workload.app, stopped_at__isnull=False).exists():
        return
    log.info("starting_again", workload=workload.pk, app=workload.app, pod=workload.pod_id)
    try:
        launch.start(Release.of(workload.revision), workload)
    except Unavailable as error:
        if error.code == "disk_busy":
            return
        raise
    except (UserError, PlatformError) as error:
        _not_started(workload, error)
        return
    _become(workload, "starting", reason=GONE, failing="", retry_at=None)
    feed.tell(workload, "start", GONE, level="warn")


def _not_started(workload: Workload, error: UserError | PlatformError) -> None:
    now = timezone.now()
    ran = (now - workload.since).total_seconds() if workload.state == "healthy" and workload.since else 0.0
    failures = recovery.failures_after(workload.failed_starts, ran)
    delay = recovery.delay_after(failures)
    times = f"failed {failures} time{'' if failures == 1 else 's'} in a row, next try in {recovery.age(delay)}"
    words = f"Not started again: {error.message.rstrip('.')}; {times}."[:300]
    later = now + datetime.timedelta(seconds=delay)
    _become(workload, "unhealthy", reason=words, failing="", failed_starts=failures, retry_at=later)
    feed.tell(workload, "start", words, level="error")


def _become(workload: Workload, state: str, **fields: Any) -> None:
    """Move it to `state`, where it may be already, and write `fields`."""
    if not move(workload, state, table=WORKLOAD_MOVES, since=timezone.now(), **fields):
        Workload.objects.filter(pk=workload.pk, state=state).update(**fields)


def _leftovers() -> bool:
    """Finish the retiring that a worker began and did not end; whether there was any."""
    rows = Workload.objects.filter(serving=False).exclude(state="stopped").exclude(deployment__state__in=OPEN_STATES)
    yielded = Workload.objects.filter(serving=True, yielded_to__isnull=False).exclude(yielded_to__state__in=OPEN_STATES)
    pods = {*rows.values_list("pod_id", flat=True), *yielded.values_list("pod_id", flat=True)}
    for pod_id in pods:
        retire(pod_id)
    return bool(pods)


def _edge() -> None:
    edge.edge().apply(edge_state)


def _deletions() -> None:
    for pod_id in Pod.objects.filter(deleting_at__isnull=False).values_list("pk", flat=True):
        wake.wake(wake.TEAR_DOWN, pod_id)
