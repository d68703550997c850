"""Celery: it wakes workers and keeps time. What there is to do stands in the database."""

from __future__ import annotations

import gc
import json
import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from mmap import mmap
from pathlib import Path
from typing import Any

import structlog
from celery import Celery, Task, bootsteps
from celery.exceptions import SecurityWarning
from celery.signals import (
    beat_init,
    before_task_publish,
    celeryd_init,
    setup_logging,
    task_prerun,
    worker_before_create_process,
    worker_init,
    worker_process_init,
    worker_ready,
    worker_shutting_down,
)
from django.conf import settings
from kombu.transport import redis

from brainpod import logging
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
        # For whoever sends: once, or a git host would wait for its answer while the broker is away. Consumers go on.
        "max_retries": 0,
        "interval_start": 0,
        "interval_step": 0,
    },
    broker_connection_timeout=3,
    broker_connection_max_retries=None,
    broker_connection_retry=True,
    # Whoever starts a deployment waits at most this long for the broker; the reconciler wakes the worker otherwise.
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2},
    worker_cancel_long_running_tasks_on_connection_loss=False,
    # From then on Celery would receive no more tasks at once than there are processes: none would begin for those that
    # wait, and a few long builds would hold up everything else until the worker is started again.
    worker_enable_prefetch_count_reduction=False,
    worker_send_task_events=False,
    # Nobody commands workers by broadcasts. Where they listened for some and the broker cut all connections, that one
    # could be seen first: redis-py makes it anew and waits on it for the next broadcast, and the worker with it.
    worker_enable_remote_control=False,
    task_default_priority=3,
    beat_max_loop_interval=5,
    beat_scheduler="brainpod.scheduler:Scheduler",
)
app.autodiscover_tasks()
# Once the broker is gone, giving messages back to it ends the whole worker with an error, and every build with it.
# They are wake-ups: the reconciler sends them again.
redis.QoS.restore_at_shutdown = False


class QoS(redis.QoS):  # type: ignore[misc]
    """What was received over a connection that is gone by now cannot be acknowledged: kombu fails on it with an error
    that Celery takes for the end of the worker. The wake-up comes again later, and finds nothing to do."""

    def ack(self, delivery_tag: str) -> None:
        if self.channel.connection is not None:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if self.channel.connection is not None:
            super().reject(delivery_tag, requeue=requeue)


redis.Channel.QoS = QoS

PULSE = 10.0  # seconds between two signs of life of a worker
NUMBER = "brainpod_request"  # in a message's headers
SUBJECTS = {  # what a task's first argument is
    "deployments.run": "deployment",
    "deployments.tear_down": "pod",
    "deployments.inspect": "inspection",
    "deployments.look_up": "lookup",
    "deployments.settle": "pod",
    "deployments.run_job": "job_run",
    "deployments.check_domain": "domain",
    "deployments.certify": "certificate",
    "previews.settle": "preview",
    "manifests.fetch": "repository_import",
    "backups.back_up": "backup",
    "backups.copy": "backup",
    "backups.restore": "restore",
}


def _say(words: str, *_: Any) -> None:
    """A worker's words on being stopped, in the form of its other lines. It is called by a handler of a signal, which
    may have come while a line was being written: so past the handlers, in one piece."""
    about = {"timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"), "level": "info"}
    json_form = settings.BRAINPOD.log_form == "json"
    line = json.dumps({**about, "logger": "celery.worker", "message": words}) if json_form else words
    with suppress(OSError):
        os.write(2, f"{line}\n".encode())


@celeryd_init.connect
@setup_logging.connect
def _set_logging_up(**_: Any) -> None:
    """In Celery's place, which would have a form of its own; and before a worker warns of anything."""
    from celery.apps import worker  # here: everything imports this module, and nothing but Celery needs that one

    worker.safe_say = _say
    warnings.simplefilter("ignore", SecurityWarning)  # of root: what is run here are wake-ups by ids, never a pickle
    logging.apply()


@before_task_publish.connect
def _number(headers: dict[str, Any], **_: Any) -> None:
    """A task belongs to the request that it was sent in."""
    if number := structlog.contextvars.get_contextvars().get("request"):
        headers[NUMBER] = number


@task_prerun.connect
def _bind(*, task_id: str, task: Task, args: Sequence[Any], **_: Any) -> None:
    """What the lines of this task are about; a pool's child does one task after the other."""
    structlog.contextvars.clear_contextvars()
    about = {SUBJECTS[task.name]: args[0]} if task.name in SUBJECTS and args else {}
    if number := getattr(task.request, NUMBER, None):
        about["request"] = number
    structlog.contextvars.bind_contextvars(task=task_id, **about)


_leaving: mmap | None = None


@worker_init.connect
def _worker_init(**_: Any) -> None:
    """Before there are others: what tells them that the worker ends, and which docker client can build."""
    from apps.builds.image import cli  # here: Django is not set up when this module is loaded

    global _leaving
    _leaving = mmap(-1, 16)  # apps.builds.fleet.SHARED
    if settings.BRAINPOD.builds and settings.BRAINPOD.docker_address:
        cli.find()  # up to four programs are started for it, which a build in a new process would wait for


@worker_before_create_process.connect
def _before_fork(**_: Any) -> None:
    """No collector of a new process looks at what it shares with the others: that would unshare it."""
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def _process_ready(**_: Any) -> None:
    """Each process of the pool announces the builder that all of them are, and looks for what dead ones left."""
    from apps.builds.orphans import Sweeper  # here: Django is not set up when this module is loaded

    Sweeper()
    if settings.BRAINPOD.builds and _leaving is not None:
        from apps.builds.fleet import Heartbeat

        Heartbeat(_leaving, dedicated="celery" not in app.amqp.queues.consume_from)


@worker_ready.connect
def _worker_ready(**_: Any) -> None:
    _mark("worker.ready")


@worker_shutting_down.connect
def _worker_shutting_down(**_: Any) -> None:
    """Nothing more is given to this builder while it ends what it has."""
    if _leaving is not None:
        _leaving[0] = 1


class Pulse(bootsteps.StartStopStep):  # type: ignore[misc]
    """The supervisor is told that the worker's loop goes round, which takes tasks and their results."""

    requires = ("celery.worker.components:Timer",)

    def start(self, worker: Any) -> None:
        worker.timer.call_repeatedly(PULSE, _mark, ("worker.ready",))


app.steps["worker"].add(Pulse)


@beat_init.connect
def _beat_ready(**_: Any) -> None:
    _mark("beat.ready")


def _mark(name: str) -> None:
    """Tell the supervisor; beside another process manager nobody looks at it."""
    run = Path(settings.BRAINPOD.run)
    if run.is_dir():
        (run / name).touch()
