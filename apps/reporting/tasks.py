"""What workers are woken for. The rows decide what is done."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.reporting import outbox, sending


@shared_task(name=outbox.SEND, expires=60)
def send() -> None:
    close_old_connections()
    sending.send_due()
