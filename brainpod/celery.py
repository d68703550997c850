"""Celery: it wakes workers and keeps time. What there is to do stands in the database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_ready
from django.conf import settings

from brainpod.beat import SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "brainpod.settings")

app = Celery("brainpod")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    beat_schedule=SCHEDULE,
    # A wake-up that is lost with the broker is made up for by the reconciler, so nothing waits long for one.
    broker_transport_options={
        "visibility_timeout": 3600,  # seconds; an unacknowledged wake-up comes again after that
        "socket_timeout": 30,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "retry_on_timeout": True,
        "health_check_interval": 10,
        "queue_order_strategy": "priority",  # 0 is the highest
        "priority_steps": [0, 3, 6, 9],
    },
    broker_connection_timeout=3,
    broker_connection_max_retries=None,
    broker_connection_retry=True,
    # Whoever starts a deployment waits at most this long for the broker; the reconciler wakes the worker otherwise.
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2},
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_send_task_events=False,
    task_default_priority=3,
    beat_max_loop_interval=5,
)
app.autodiscover_tasks()


@worker_ready.connect
def _worker_ready(**_: Any) -> None:
    _mark("worker.ready")


@beat_init.connect
def _beat_ready(**_: Any) -> None:
    _mark("beat.ready")


def _mark(name: str) -> None:
    """Tell the supervisor; beside another process manager nobody looks at it."""
    run = Path(settings.BRAINPOD.run)
    if run.is_dir():
        (run / name).touch()
