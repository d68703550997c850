"""What workers are woken for. Every task may run twice, late or never: the rows decide what is done."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.deployments import certify as certifying
from apps.deployments import (
    disks,
    domains,
    inspections,
    lookups,
    maintenance,
    pipeline,
    purge,
    regulation,
    settling,
    teardown,
    wake,
)
from apps.deployments import reconcile as reconciler
from apps.deployments.jobs import run, tend


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
    inspections.INSPECTIONS.run(inspection_id)


@shared_task(name=wake.PURGE)
def purge_now(pod_id: str) -> None:
    close_old_connections()
    purge.now(pod_id)


@shared_task(name=wake.SETTLE)
def settle(pod_id: str, app: str) -> None:
    close_old_connections()
    settling.settle(pod_id, app)


@shared_task(name=wake.REGULATE, expires=15)
def regulate() -> None:
    close_old_connections()
    regulation.regulate()


@shared_task(name=wake.LOOK_UP)
def look_up(lookup_id: str) -> None:
    close_old_connections()
    lookups.LOOKUPS.run(lookup_id)


@shared_task(name=wake.RECONCILE, expires=10)
def reconcile() -> None:
    close_old_connections()
    reconciler.reconcile()


@shared_task(name=wake.JOBS, expires=10)
def jobs() -> None:
    close_old_connections()
    tend.tend()


@shared_task(name=wake.RUN_JOB)
def run_job(run_id: str) -> None:
    close_old_connections()
    run.run(run_id)


@shared_task(name=wake.CHECK_DOMAINS, expires=30)
def check_domains() -> None:
    close_old_connections()
    domains.check_due()


@shared_task(name=wake.CHECK_DOMAIN)
def check_domain(host: str) -> None:
    close_old_connections()
    domains.check_one(int(host))


@shared_task(name=wake.CERTIFICATES, expires=30)
def certificates() -> None:
    close_old_connections()
    certifying.tend()


@shared_task(name=wake.CERTIFY)
def certify(certificate_id: str) -> None:
    close_old_connections()
    certifying.certify(certificate_id)


@shared_task(name=wake.MAINTAIN, expires=600)
def maintain() -> None:
    close_old_connections()
    maintenance.maintain()


@shared_task(name=wake.MEASURE_DISKS, expires=300)
def measure_disks() -> None:
    close_old_connections()
    disks.measure_all()
