"""What workers are woken for. Every task may run twice, late or never: the rows decide what is done."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.manifests import fetching


@shared_task(name=fetching.FETCH)
def fetch(import_id: str) -> None:
    close_old_connections()
    fetching.IMPORTS.run(import_id)


@shared_task(name=fetching.TEND, expires=15)
def tend_imports() -> None:
    close_old_connections()
    fetching.IMPORTS.tend()
