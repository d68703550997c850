"""A worker's application of its own for test_pool: tasks that last, and note when and where they ran."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import Celery
from celery.worker.control import inspect_command

from brainpod.pool import Autoscaler
from tests.infrastructure.pool_settings import SETTINGS

Autoscaler.PATIENCE = float(os.environ["POOL_PATIENCE"])
app = Celery("pool_tasks", broker=os.environ["POOL_BROKER"])
app.conf.update(SETTINGS, task_ignore_result=True, broker_transport_options={"queue_order_strategy": "priority"})


@app.task
def last(name: str, until: str) -> None:
    """Lasts until there is a file called `until`."""
    place = Path(os.environ["POOL_NOTES"])
    (place / f"{name}.begun").write_text(str(os.getpid()))
    while until and not (place / until).exists():
        time.sleep(0.02)
    (place / f"{name}.ended").write_text(str(os.getpid()))


NUMBERS = [os.open(os.devnull, os.O_RDONLY) for _ in range(12)]


@inspect_command()  # type: ignore[untyped-decorator]
def free(state: Any) -> int:
    """Low numbers of files become free, as when connections end: the next pipes are not called as those before."""
    while NUMBERS:
        os.close(NUMBERS.pop())
    return state.consumer.pool.num_processes


@inspect_command()  # type: ignore[untyped-decorator]
def readers(state: Any) -> list[int | None]:
    """Of each pipe that is read when the broker is back: the process at its other end, None if it has ended."""
    pool = state.consumer.pool._pool
    living = {process.pid for process in pool._pool if process._is_alive()}
    return [process.pid if process.pid in living else None for process in pool._fileno_to_outq.values()]
