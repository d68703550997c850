"""What workers are woken for after builds. It may run twice, late or never: the rows decide what is done."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.builds.caching import sweep, tending
from apps.builds.image import pruning


@shared_task(name=tending.TASK, expires=3600)
def tend_caches() -> None:
    close_old_connections()
    tending.tend()
    if sweep.sweep_when_due():
        pruning.sweep_here(older_than=pruning.young())
