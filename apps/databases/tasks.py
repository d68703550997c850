"""What the clock wakes workers for. It may run twice, late or never: the rows decide what is done."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.databases import book


@shared_task(name="databases.forget", expires=600)
def forget() -> None:
    close_old_connections()
    book.forget()
