"""Waking workers. Losing a message loses no work: the reconciler wakes again what the database says is to be done."""

from __future__ import annotations

import structlog
from celery import current_app
from django.db import transaction

from apps.core.failpoints import failpoint

log = structlog.get_logger(__name__)

RUN = "deployments.run"
TEAR_DOWN = "deployments.tear_down"
RECONCILE = "deployments.reconcile"
MAINTAIN = "deployments.maintain"
MEASURE_DISKS = "deployments.measure_disks"
INSPECT = "deployments.inspect"
LOOK_UP = "deployments.look_up"
SETTLE = "deployments.settle"
REGULATE = "deployments.regulate"
JOBS = "deployments.jobs"
RUN_JOB = "deployments.run_job"
CHECK_DOMAINS = "deployments.check_domains"
CHECK_DOMAIN = "deployments.check_domain"
CERTIFICATES = "deployments.certificates"
CERTIFY = "deployments.certify"
PURGE = "deployments.purge"


def wake(task: str, *args: str, queue: str | None = None) -> None:
    """Have a worker run the task of that name soon after the commit; later, when the broker is away.

    `queue`: of a builder; any worker without.
    """
    transaction.on_commit(lambda: _send(task, *args, queue=queue))


def _send(task: str, *args: str, queue: str | None) -> None:
    failpoint("wake", args[0] if args else "")
    try:
        current_app.send_task(task, args, queue=queue, retry=False, ignore_result=True)
    except Exception as error:  # noqa: BLE001 - kombu's errors differ by transport; the reconciler makes up for it
        log.warning("broker_away", task=task, error=str(error))
