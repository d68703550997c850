"""What workers are woken for. Every task may run twice, late or never: the rows decide what is done."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.backups import remote, restoring, run, tend, wake
from apps.backups.platform import kept


@shared_task(name=wake.TEND, expires=15)
def tend_backups() -> None:
    close_old_connections()
    tend.tend()


@shared_task(name=wake.BACK_UP)
def back_up(backup_id: str) -> None:
    close_old_connections()
    run.run(backup_id)


@shared_task(name=wake.RESTORE)
def restore(restore_id: str) -> None:
    close_old_connections()
    restoring.run(restore_id)


@shared_task(name=wake.PLATFORM)
def platform() -> None:
    close_old_connections()
    kept.make()


@shared_task(name=wake.COPY)
def copy(backup_id: str) -> None:
    close_old_connections()
    remote.copy(backup_id)
