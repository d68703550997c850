"""Snapshots taken and put back, each by one worker at a time; one that died is followed by another."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import F
from django.utils import timezone

from apps.core import room
from apps.core.errors import PlatformError, UserError
from apps.core.failpoints import failpoint
from apps.core.leases import Lease, LeaseLost, acquire, kept
from apps.core.states import move
from apps.deployments import wake
from apps.deployments.disk_paths import disk_path
from apps.deployments.disks import measure
from apps.deployments.events import changed
from apps.deployments.models import AppEvent
from apps.disks import archive, snapshots
from apps.disks.models import MOVES, OPEN, Restore, Snapshot, Work
from apps.disks.places import disk_of
from apps.pods.models import Pod

MOST_TRIES = 3
LOST = "The worker ended three times while it was at it."

log = structlog.get_logger(__name__)
W = TypeVar("W", Snapshot, Restore)


def take(snapshot_id: str) -> None:
    """Take a snapshot that waits, if nobody else does. Safe to call at any time."""
    _do(Snapshot.objects.select_related("pod__team", "pod__live").filter(pk=snapshot_id).first(), _take)


def put_back(restore_id: str) -> None:
    """Likewise for a restore."""
    rows = Restore.objects.select_related("pod__team", "pod__live", "snapshot", "actor")
    _do(rows.filter(pk=restore_id).first(), _put_back)


def _do(row: W | None, action: Callable[[W, Lease], None]) -> None:
    lease = acquire(row, state__in=OPEN, pod__deleting_at=None) if row else None
    if row is None or lease is None:
        return
    with kept(lease):
        rows = type(row)._default_manager.filter(pk=row.pk, **lease.where)
        rows.update(state="running", tries=F("tries") + 1)
        row.refresh_from_db()
        changed(row.pod_id)
        try:
            if row.tries > MOST_TRIES:
                raise PlatformError("worker_lost", LOST)
            action(row, lease)
        except LeaseLost:
            log.info("lease_lost", work=row.pk)
            return
        except ObjectDoesNotExist:
            log.info("pod_gone", work=row.pk)
        except UserError as error:
            _failed(row, lease, str(error))
        except PlatformError as error:
            log.warning("disk_work_failed", work=row.pk, error_id=error.id, error=error.message)
            _failed(row, lease, f"{error.message} {error.hint} ({error.id})")
        except OSError as error:
            told = room.full(error)
            log.warning("disk_work_failed", work=row.pk, error=str(error))
            _failed(row, lease, str(told) if told else f"The file system says: {error.strerror}.")
        changed(row.pod_id)
    if not Pod.objects.filter(pk=row.pod_id).exists():
        archive.drop(disk_path(row.pod_id, "").parent)  # made again since it was torn down


def _failed(row: Work, lease: Lease, words: str) -> None:
    if move(row, "failed", table=MOVES, where=lease.where, finished_at=timezone.now(), reason=words.strip()[:300]):
        if isinstance(row, Snapshot):
            row.file.unlink(missing_ok=True)
            _tell(row.pod, row.disk, f"No snapshot: {words}", "error")
        elif isinstance(row, Restore):
            _tell(row.pod, row.disk, f"Not put back, everything is as it was: {words}", "error")


def _take(row: Snapshot, lease: Lease) -> None:
    disk = disk_of(row.pod, row.disk)
    part = row.file.with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(part, "wb") as file:
            if row.former:
                written = archive.tree(disk.beside("aside", row.former), file, check=lease.check)
            else:
                written = archive.local(disk, file, why="for a snapshot", check=lease.check)
            os.fsync(file.fileno())
        lease.check()
        part.rename(row.file)
    finally:
        part.unlink(missing_ok=True)
    failpoint("snapshot.written", row.pod_id)
    done = {"finished_at": timezone.now(), "size": written.size, "paused": written.paused}
    if not move(row, "ready", table=MOVES, where=lease.where, **done):
        raise LeaseLost
    if row.former:
        archive.drop(disk.beside("aside", row.former))
    _trim(row.pod_id, row.disk)


def _put_back(row: Restore, lease: Lease) -> None:
    disk = disk_of(row.pod, row.disk)
    if row.snapshot is None or not row.snapshot.file.exists():
        raise UserError("snapshot_missing", "The snapshot is not there any more.", "Choose another one.")
    onto_itself = row.target == row.disk
    aside = None
    with open(row.snapshot.file, "rb") as source:
        if onto_itself:
            aside = archive.restore(disk, source, key=row.pk, why="to put a snapshot back", check=lease.check)
        else:
            archive.prepare(disk, row.target, source, key=row.pk, check=lease.check)
    failpoint("restore.exchanged", row.pod_id)
    if aside and row.keeps:
        _keep(row)
    if not move(row, "ready", table=MOVES, where=lease.where, finished_at=timezone.now()):
        raise LeaseLost
    if aside and not row.keeps:
        archive.drop(aside)
    words = f"The snapshot of {row.snapshot.created_at:%Y-%m-%d %H:%M} UTC was put back"
    more = "" if onto_itself else f": deploy to have it on the new disk {row.target}"
    _tell(row.pod, row.disk, f"{words}{more}", "info")
    if onto_itself:
        measure(disk.pod, disk.name, disk.size)


def _keep(row: Restore) -> None:
    """A snapshot of what was on the disk, once: it is taken from where that is now."""
    note = "What was on it before a snapshot was put back"
    former, new = Snapshot.objects.get_or_create(
        pod=row.pod, disk=row.disk, former=row.pk, defaults={"note": note, "actor": row.actor}
    )
    if new:
        wake.wake(snapshots.TAKE, former.pk)


def _tell(pod: Pod, disk: str, words: str, level: str) -> None:
    AppEvent.objects.create(pod=pod, app=disk, kind="disk", level=level, words=words[:300])


def _trim(pod_id: str, disk: str) -> None:
    """Forget the oldest beyond those kept, and the failed ones that a newer one has followed."""
    done = Snapshot.objects.filter(pod=pod_id, disk=disk).exclude(restores__state__in=OPEN)
    for old in done.filter(state="ready").order_by("-id")[snapshots.kept() :]:
        snapshots.forget(old)
    done.filter(state="failed").delete()
