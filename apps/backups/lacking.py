"""What is live and would be missed, and has neither a backup nor a plan that makes one."""

from __future__ import annotations

import datetime
import time
from typing import Any

from django.db import transaction

from apps.backups import announcing, places, wake
from apps.backups.kinds import SHARED_KEYS
from apps.backups.models import KIND_TITLES, Backup, BackupPlan, Lack, State
from apps.pods.models import Pod

OFTEN_CACHES = frozenset({"Valkey", SHARED_KEYS})  # that nobody may miss: whoever plans backups says otherwise
YOUNG = datetime.timedelta(days=1)  # of what is live, before the lack of a backup is worth a warning
EVERY = 3600.0  # seconds between two looks of a process
NEITHER = "no backup, and no plan that makes one"
_looked: list[float] = []


def due() -> bool:
    return not _looked or time.monotonic() - _looked[0] > EVERY


def tend(now: datetime.datetime) -> None:
    if due():
        _looked[:] = [time.monotonic()]
        look(now)


def look(now: datetime.datetime) -> None:
    """Write down what lacks one, and tell of it after YOUNG; what has one, or is gone, is forgotten."""
    lacking = _everything()
    for row in Lack.objects.select_related("pod"):
        if (row.pod_id, row.name, row.kind) not in lacking:
            row.delete()
        elif not row.told and row.since <= now - YOUNG:
            _tell(row)
    known = set(Lack.objects.values_list("pod", "name", "kind"))
    fresh = [Lack(pod_id=pod, name=name, kind=kind, since=now) for pod, name, kind in sorted(lacking - known)]
    Lack.objects.bulk_create(fresh, ignore_conflicts=True)


def _tell(row: Lack) -> None:
    with transaction.atomic():
        if Lack.objects.filter(pk=row.pk, told=False).update(told=True):
            wake.tell(row.pod_id, row.name, f"It has {NEITHER}", level="warn")
            what = f"{KIND_TITLES.get(row.kind, row.kind)} {row.name} of {row.pod}"
            announcing.resource(
                "backup.missing", pod_id=row.pod_id, pod_name=row.pod.name, name=row.name, kind=row.kind,
                words=f"{what} has {NEITHER}.",
            )  # fmt: skip


def _everything() -> set[tuple[Any, ...]]:
    """Pod, name and kind. Staging pods and previews are not asked for any."""
    there = set(Backup.objects.filter(state=State.COMPLETED).values_list("pod", "name", "kind").distinct().order_by())
    there |= set(BackupPlan.objects.values_list("pod", "name", "kind"))
    pods = Pod.objects.filter(deleting_at=None, parent=None).exclude(live=None).select_related("live")
    live = {(pod.pk, name, kind) for pod in pods for name, kind in places.kept(pod).items()}
    return {one for one in live - there if one[2] not in OFTEN_CACHES}
