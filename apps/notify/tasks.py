"""What workers are woken for. Every task may run twice, late or never: the rows decide what is done."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.notify import outbox, sending, tidying


@shared_task(name=outbox.SEND, expires=60)
def send() -> None:
    close_old_connections()
    sending.send_due()


@shared_task(name=outbox.TIDY, expires=600)
def tidy() -> None:
    close_old_connections()
    tidying.tidy()
