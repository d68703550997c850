"""What workers are woken for. Every task may run twice, late or never: the rows decide what is done."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.previews import settling, tending, wake


@shared_task(name=wake.SETTLE)
def settle_preview(preview_id: str) -> None:
    close_old_connections()
    settling.settle(int(preview_id))


@shared_task(name=wake.TEND, expires=15)
def tend_previews() -> None:
    close_old_connections()
    tending.tend()
