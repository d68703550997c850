"""A worker's application of its own for test_pool: tasks that last, and note when and where they ran."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery

from brainpod.pool import Autoscaler

Autoscaler.PATIENCE = float(os.environ["POOL_PATIENCE"])
app = Celery("pool_tasks", broker=os.environ["POOL_BROKER"])
app.conf.update(
    worker_pool="brainpod.pool:TaskPool",
    worker_autoscaler="brainpod.pool:Autoscaler",
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    broker_transport_options={"queue_order_strategy": "priority"},
)


@app.task
def last(name: str, until: str) -> None:
    """Lasts until there is a file called `until`."""
    place = Path(os.environ["POOL_NOTES"])
    (place / f"{name}.begun").write_text(str(os.getpid()))
    while until and not (place / until).exists():
        time.sleep(0.02)
    (place / f"{name}.ended").write_text(str(os.getpid()))
