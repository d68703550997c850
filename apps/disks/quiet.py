"""A disk that nothing writes to: what does is stopped, nothing is started meanwhile, and afterwards it runs again.

A worker that dies in between holds nothing any more: the reconciler finds what should run and starts it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from apps.core.errors import Conflict, PlatformError
from apps.core.failpoints import failpoint
from apps.deployments import disk_locks, launch, settling
from apps.deployments.models import AppControl, AppEvent, Workload
from apps.deployments.release import Release
from apps.disks.places import Disk
from apps.engines.base import State
from apps.pods.contents import disks_used

PATIENCE = 900.0  # seconds a deployment or a job is waited for
LOOK_EVERY = 0.5

log = structlog.get_logger(__name__)


@contextmanager
def quiet(disk: Disk, why: str, *, check: Callable[[], None]) -> Iterator[None]:
    """Nothing writes to `disk` while the body runs. `why` completes "Stopped …" in the events of its app.

    `check` is called while it waits, and may raise. Raises Conflict("disk_in_use") when a deployment or a job keeps
    it too long, and PlatformError when what writes to it cannot be stopped; what was stopped is started again then.
    """
    stopped: list[Workload] = []
    began = time.monotonic()
    try:
        with _alone(disk, check):
            began = time.monotonic()
            for workload in writers(disk):
                if _is_stopped_now(workload):
                    stopped.append(workload)
            failpoint("disk.quiet", disk.pod.pk)
            yield
    finally:
        _start_again(stopped, f"Stopped {why}", began)


@contextmanager
def _alone(disk: Disk, check: Callable[[], None]) -> Iterator[None]:
    until = time.monotonic() + PATIENCE
    while True:
        check()
        if not settling.in_rollout(disk.pod.pk):
            with disk_locks.alone(disk.pod.pk, disk.name) as mine:
                if mine and not settling.in_rollout(disk.pod.pk):
                    yield
                    return
        if time.monotonic() > until:
            words = f"{disk.name} has been in use by a deployment or a job for {PATIENCE / 60:.0f} minutes."
            raise Conflict("disk_in_use", words, "Try again when that is over.")
        time.sleep(LOOK_EVERY)


def writers(disk: Disk) -> list[Workload]:
    """Every instance that may have `disk`: those that serve, those to come and those being ended."""
    found = []
    for row in disk.pod.workloads.exclude(state="stopped").select_related("revision__pod"):
        runs = row.revision.resources.filter(name=row.app).first()
        if runs is not None and disk.name in disks_used(runs):
            found.append(row)
    return found


def _is_stopped_now(workload: Workload) -> bool:
    """End what the engine has of it; whether there was anything. Raises PlatformError when it does not end."""
    handle = workload.handle or {"id": workload.pk}
    if workload.runner.status(handle).state is State.GONE:
        return False
    launch.pause(workload)
    left = workload.runner.status(handle)
    if left.state not in (State.GONE, State.EXITED):
        raise PlatformError("disk_still_written", f"{workload} was not stopped: {left.reason or left.state}.")
    return True


def _start_again(stopped: list[Workload], why: str, began: float) -> None:
    """What cannot be started now the reconciler starts."""
    for workload in stopped:
        workload.refresh_from_db()
        asked = AppControl.objects.filter(pod=workload.pod_id, app=workload.app, stopped_at__isnull=False)
        if not workload.serving or workload.yielded_to_id or asked.exists():
            continue
        try:
            launch.start(Release.of(workload.revision), workload)
        except PlatformError as error:
            log.warning("start_left_to_reconciler", workload=workload.pk, error=str(error))
        words = f"{why} and started again after {time.monotonic() - began:.1f} s"
        AppEvent.objects.create(
            pod_id=workload.pod_id, app=workload.app, kind="disk", words=words[:300], instance=str(workload),
            workload=workload.pk,
        )  # fmt: skip
