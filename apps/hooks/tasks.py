"""What workers are woken for. The rows decide what is done."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.hooks import actions, registering


@shared_task(name=actions.TEND, expires=60)
def tend() -> None:
    close_old_connections()
    registering.tend()
