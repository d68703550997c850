"""What workers are woken for. Every task may run twice, late or never: the rows decide what is done."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.deployments import inspections, maintenance, pipeline, teardown, wake
from apps.deployments import reconcile as reconciler


@shared_task(name=wake.RUN)
def run_deployment(deployment_id: str) -> None:
    close_old_connections()
    pipeline.run(deployment_id)


@shared_task(name=wake.TEAR_DOWN)
def tear_down(pod_id: str) -> None:
    close_old_connections()
    teardown.tear_down(pod_id)


@shared_task(name=wake.INSPECT)
def inspect(inspection_id: str) -> None:
    close_old_connections()
    inspections.run(inspection_id)


@shared_task(name=wake.RECONCILE, expires=10)
def reconcile() -> None:
    close_old_connections()
    reconciler.reconcile()


@shared_task(name=wake.MAINTAIN, expires=600)
def maintain() -> None:
    close_old_connections()
    maintenance.maintain()
