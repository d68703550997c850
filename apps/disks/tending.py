"""Every minute: what nobody works on is gone on with, what is old is forgotten, what was left behind is removed."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from apps.deployments import wake
from apps.deployments.disk_paths import disk_path, made
from apps.deployments.duties import duty
from apps.disks import archive, audit, files, snapshots
from apps.disks.models import OPEN, Restore, Snapshot
from apps.pods.contents import disks_of
from apps.pods.models import Pod

LEFT = 86400.0  # seconds after which what a process left behind is nobody's any more
PASSING = ("aside", "incoming", "uploads")


def tend() -> None:
    with duty("disks.tend") as lease:
        if lease is None:
            return
        _wake()
        _forget_old()
        for pod in Pod.objects.filter(deleting_at=None).select_related("live"):
            if (root := disk_path(pod.pk, "").parent).is_dir():
                lease.check()
                _tidy(pod, root)
        audit.forget()


def _wake() -> None:
    for task, rows in ((snapshots.TAKE, Snapshot.objects.all()), (snapshots.PUT_BACK, Restore.objects.all())):
        for row in rows.filter(state__in=OPEN, pod__deleting_at=None):
            if not row.held:
                wake.wake(task, row.pk)


def _forget_old() -> None:
    before = timezone.now() - datetime.timedelta(days=settings.BRAINPOD.snapshot_days)
    for old in Snapshot.objects.filter(state="ready", created_at__lt=before).exclude(restores__state__in=OPEN):
        snapshots.forget(old)
    Restore.objects.filter(created_at__lt=before).exclude(state__in=OPEN).delete()


def _tidy(pod: Pod, root: Path) -> None:
    """What was prepared for a disk that is deployed now is put on it; what belongs to no disk any more goes."""
    live = set(disks_of(pod.live.snapshot())) if pod.live else set()
    names = live | (set(disks_of(pod.draft.snapshot())) if pod.draft else set())
    for gone in Snapshot.objects.filter(pod=pod).exclude(disk__in=names).exclude(state__in=OPEN):
        snapshots.forget(gone)
    files.remove_discarded(root)
    coming = set(Restore.objects.filter(pod=pod, state__in=OPEN).values_list("target", flat=True))
    for prepared in _in(root / "prepared"):
        if prepared.name in live and not (root / "disks" / prepared.name).exists():
            made(pod.pk, prepared.name)
        elif prepared.name not in names | coming:
            archive.drop(prepared)
    under_way = {
        *Restore.objects.filter(pod=pod, state__in=OPEN).values_list("pk", flat=True),
        *Snapshot.objects.filter(pod=pod, state__in=OPEN).values_list("former", flat=True),
    }
    for place in PASSING:
        for left in _in(root / place):
            if left.name not in under_way and time.time() - left.lstat().st_ctime > LEFT:
                archive.drop(left) if left.is_dir() and not left.is_symlink() else left.unlink(missing_ok=True)
    known = set(Snapshot.objects.filter(pod=pod).values_list("pk", flat=True))
    for file in _in(root / "snapshots"):
        if file.name.partition(".")[0] not in known:
            file.unlink(missing_ok=True)


def _in(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []
