"""What is, brought to what should be: every few seconds, and first thing at start.

The database says what should be. Whatever died (a worker, the engine, the broker, the machine), the next pass finds
the difference and mends it; a pass that finds none costs a handful of queries.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

import structlog
from django.db.models import F, Q
from django.utils import timezone

from apps import edge, engines
from apps.builds import fleet
from apps.core.errors import PlatformError, UserError
from apps.core.masking import Mask
from apps.core.states import move
from apps.deployments import dispatch, inspections, launch, queue, wake
from apps.deployments.desired import edge_state
from apps.deployments.duties import duty
from apps.deployments.events import changed
from apps.deployments.models import DEPLOYMENT_MOVES, OPEN_STATES, WORKLOAD_MOVES, Deployment, StageRun, Workload
from apps.deployments.release import Release
from apps.deployments.retire import retire
from apps.deployments.rollout import undo
from apps.engines.base import State, Status
from apps.logs.writer import LogWriter
from apps.pods.models import Pod

log = structlog.get_logger(__name__)
SEEN_EVERY = datetime.timedelta(seconds=15)  # how old "observed" becomes before it is written again


def reconcile() -> None:
    """One pass. Every part is tried though another fails."""
    with duty("reconcile") as lease:
        if lease is None:
            return
        for part in (_jobs, inspections.tend, _workloads, _leftovers, _edge, _deletions, fleet.note_runtime):
            try:
                part()
            except PlatformError as error:
                log.info("reconcile_waits", part=part.__name__, error=str(error))


def _jobs() -> None:
    """Wake workers for deployments nobody works on, and end those past their deadline."""
    now = timezone.now()
    for deployment in Deployment.objects.filter(state__in=("pending", "degraded"), deadline__lt=now):
        Deployment.objects.filter(pk=deployment.pk).update(fence=F("fence") + 1, leased_until=None)
        undo(deployment, lambda _: None)
        words = "It took longer than a deployment may take."
        move(
            deployment, "failed", table=DEPLOYMENT_MOVES, where={"switched_at": None},
            finished_at=now, error=words, error_code="deadline_passed", hint="Deploy again: the log says where.",
        )  # fmt: skip
        stages = StageRun.objects.filter(deployment=deployment, state__in=("pending", "running"))
        if deployment.state == "failed":
            stages.update(state="skipped", note="The deadline passed.")
            with LogWriter.open(deployment.stream, mask=Mask([])) as writer:
                writer.ended("failed", note=words)
        changed(deployment.pod_id, deployment.pk)
    dispatch.assign()
    for pk in queue.unattended():
        wake.wake(wake.RUN, pk)


def _workloads() -> None:
    """Compare what the engine runs with the rows: note it, start again what is gone, stop what nobody knows."""
    seen = engines.engine().workloads()
    rows = {w.pk: w for w in Workload.objects.exclude(state="stopped").select_related("revision", "revision__pod")}
    for pk, workload in rows.items():
        status = seen.get(pk, Status(State.GONE))
        if status.state is not State.GONE:
            _moved(workload, status.address)
            _note(workload, status)
        elif workload.serving and not workload.yielded_to_id:
            _start_again(workload)
    _seen(pk for pk, status in seen.items() if status.state is not State.UNKNOWN)
    for stranger in seen.keys() - rows.keys():
        if not Workload.objects.filter(pk=stranger).exclude(state="stopped").exists():
            log.warning("orphan_stopped", workload=stranger)
            engines.engine().stop({"id": stranger}, 5.0)


def _moved(workload: Workload, address: str) -> None:
    """The engine has it elsewhere now: traffic follows at the end of this pass."""
    if address and workload.handle.get("address") not in (None, address):
        log.info("workload_moved", workload=workload.pk, address=address)
        Workload.objects.filter(pk=workload.pk).update(handle={**workload.handle, "address": address})
        changed(workload.pod_id)


def _seen(answered: Iterable[str]) -> None:
    """Write down when the engine last answered for these: pages call a state unknown once that is long ago."""
    now = timezone.now()
    old = Q(observed_at=None) | Q(observed_at__lt=now - SEEN_EVERY)
    Workload.objects.filter(old, pk__in=list(answered)).update(observed_at=now)


def _note(workload: Workload, status: Status) -> None:
    """Write down what was observed, if it differs from what stands there."""
    state = {State.RUNNING: "healthy", State.RESTARTING: "unhealthy", State.EXITED: "unhealthy"}.get(status.state)
    if state is None or (not workload.serving and state == "healthy"):
        return  # what does not serve yet is judged by its health check
    if (workload.state, workload.reason, workload.restarts) == (state, status.reason[:300], status.restarts):
        return
    fields: dict[str, Any] = {"reason": status.reason[:300], "restarts": status.restarts, "observed_at": timezone.now()}
    if workload.state == state:
        Workload.objects.filter(pk=workload.pk).update(**fields)
    else:
        move(workload, state, table=WORKLOAD_MOVES, **fields)
    changed(workload.pod_id)


def _start_again(workload: Workload) -> None:
    """Bring back what should serve and is gone: after a reboot, or the engine's own end."""
    log.info("starting_again", workload=workload.pk, app=workload.app, pod=workload.pod_id)
    try:
        launch.start(Release.of(workload.revision), workload)
    except UserError as error:
        Workload.objects.filter(pk=workload.pk).update(reason=error.message[:300])
        return
    move(workload, "starting", table=WORKLOAD_MOVES, reason="Started again: it was gone.")
    changed(workload.pod_id)


def _leftovers() -> None:
    """Finish the retiring that a worker began and did not end."""
    rows = Workload.objects.filter(serving=False).exclude(state="stopped").exclude(deployment__state__in=OPEN_STATES)
    yielded = Workload.objects.filter(serving=True, yielded_to__isnull=False).exclude(yielded_to__state__in=OPEN_STATES)
    for pod_id in {*rows.values_list("pod_id", flat=True), *yielded.values_list("pod_id", flat=True)}:
        retire(pod_id)


def _edge() -> None:
    edge.edge().apply(edge_state)


def _deletions() -> None:
    for pod_id in Pod.objects.filter(deleting_at__isnull=False).values_list("pk", flat=True):
        wake.wake(wake.TEAR_DOWN, pod_id)
