"""Ending what no longer serves: drained, stopped, its disks removed if the live revision has them no more."""

from __future__ import annotations

import datetime
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import structlog
from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps import edge
from apps.core.errors import PlatformError
from apps.core.failpoints import failpoint
from apps.deployments import disks, launch
from apps.deployments.desired import edge_state
from apps.deployments.disk_paths import disk_path
from apps.deployments.duties import duty
from apps.deployments.events import changed
from apps.deployments.models import OPEN_STATES, AppControl, Deployment, Workload
from apps.deployments.rollout import restore_yielded
from apps.engines.base import Handle
from apps.pods.models import Pod

log = structlog.get_logger(__name__)
LEAST = 1.0  # seconds after the switch in which the edge may pass on what it had begun to
PATIENCE = 5.0  # seconds after the switch that a worker waits here; longer requests are the reconciler's to look after


def retire(pod_id: str) -> None:
    """Stop every workload of the pod that neither serves nor belongs to a deployment under way. Never raises."""
    with duty(f"retire:{pod_id}") as lease:
        if lease is None or not Pod.objects.filter(pk=pod_id).exists():
            return
        try:
            leftover = [] if _switching(pod_id) else list(_leftover(pod_id))
            if leftover:
                edge.edge().apply(edge_state)  # nothing is stopped that the edge may still send requests to
                drained = _drained(pod_id, leftover)
                failpoint("retire.drained", pod_id)
                with ThreadPoolExecutor(max_workers=8) as pool:
                    list(pool.map(_stop, [w for w in drained if not _serves_again(w)]))
                changed(pod_id)
            under_way = Deployment.objects.filter(pod_id=pod_id, state__in=OPEN_STATES)
            if not under_way.exists() and not _leftover(pod_id).exists():
                restore_yielded(pod_id)
                _discard_disks(pod_id)
        except PlatformError as error:
            log.info("retiring_later", pod=pod_id, error=str(error))


def _leftover(pod_id: str):  # type: ignore[no-untyped-def]
    rows = Workload.objects.filter(pod_id=pod_id, serving=False).exclude(state="stopped")
    return rows.exclude(deployment__state__in=OPEN_STATES).exclude(pk__in=coming(pod_id))


def coming(pod_id: str) -> list[str]:
    """The instances that are being started beside what serves, and by no deployment (apps/deployments/settling.py)."""
    controls = AppControl.objects.filter(pod=pod_id, leased_until__isnull=False)
    apps = [control.app for control in controls if control.held]
    new = Workload.objects.filter(pod=pod_id, app__in=apps, serving=False, deployment=None, released_at=None)
    return list(new.exclude(state="stopped").values_list("pk", flat=True))


def _switching(pod_id: str) -> bool:
    """Whether a deployment has moved traffic and not ended: whoever ends it retires what it replaced."""
    return Deployment.objects.filter(pod_id=pod_id, state__in=OPEN_STATES, switched_at__isnull=False).exists()


def _serves_again(workload: Workload) -> bool:
    """A rollback may have taken it back while it was drained."""
    return not _leftover(workload.pod_id).filter(pk=workload.pk).exists()


def _drained(pod_id: str, leftover: list[Workload]) -> list[Workload]:
    """Those of `leftover` that may be stopped: no request is under way in them, or they have had their drain time."""
    edge.edge().settle()
    switched, most = _switched_at(pod_id), settings.BRAINPOD.drain_seconds
    since = {w.pk: w.released_at or switched for w in leftover}
    moved = [moment for moment in since.values() if moment]
    if not moved:
        return leftover
    time.sleep(max(0.0, min(LEAST, most) - _since(max(moved))))
    while True:
        busy = [w for w in leftover if _draining(since[w.pk], most) and w.runner.connections(_handle(w)) != 0]
        if not busy or _since(max(moved)) > PATIENCE:
            return [w for w in leftover if w not in busy]
        time.sleep(0.1)


def _draining(moved: datetime.datetime | None, most: float) -> bool:
    return moved is not None and _since(moved) < most


def _handle(workload: Workload) -> Handle:
    return workload.handle or {"id": workload.id}


def _switched_at(pod_id: str) -> datetime.datetime | None:
    """When traffic of the pod was moved last."""
    switches = Deployment.objects.filter(pod_id=pod_id, switched_at__isnull=False).order_by("-switched_at")
    return switches.values_list("switched_at", flat=True).first()


def _since(moment: datetime.datetime) -> float:
    return max(0.0, (timezone.now() - moment).total_seconds())


def _stop(workload: Workload) -> None:
    try:
        launch.stop(workload)
    finally:
        connection.close()


def _discard_disks(pod_id: str) -> None:
    """Remove the disks the live revision no longer has; the plan said so and somebody agreed."""
    pod = Pod.objects.get(pk=pod_id)
    if pod.live is None:
        return
    kept = set(pod.live.resources.filter(kind="Disk").values_list("name", flat=True))
    root = disk_path(pod_id, "")
    for path in disks.kept(pod_id):
        if path.name not in kept:
            disks.discard(pod_id, path)
            gone = root.parent / f"discarded-{path.name}-{time.time_ns()}"
            path.rename(gone)
            log.info("disk_discarded", pod=pod_id, disk=path.name)
    for path in root.parent.glob("discarded-*") if root.parent.is_dir() else ():
        shutil.rmtree(path, ignore_errors=True)
