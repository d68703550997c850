"""What workers are woken for. Every task may run twice, late or never: the rows decide what is done."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.deployments.disk_paths import disk_path
from apps.disks import files, snapshots, tending, work


@shared_task(name=snapshots.TAKE)
def take(snapshot_id: str) -> None:
    close_old_connections()
    work.take(snapshot_id)


@shared_task(name=snapshots.PUT_BACK)
def put_back(restore_id: str) -> None:
    close_old_connections()
    work.put_back(restore_id)


@shared_task(name=files.REMOVE)
def remove(pod_id: str) -> None:
    files.remove_discarded(disk_path(pod_id, "").parent)


@shared_task(name="disks.tend", expires=60)
def tend() -> None:
    close_old_connections()
    tending.tend()
