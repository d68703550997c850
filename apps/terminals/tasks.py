"""What the clock wakes workers for. It may run twice, late or never: the rows decide what is done."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.deployments.duties import duty
from apps.terminals import actions


@shared_task(name="terminals.sweep", expires=60)
def sweep() -> None:
    close_old_connections()
    with duty("terminals") as lease:
        if lease is not None:
            actions.sweep()
