"""Telling open pages that a pod changed. A hint, never the truth: pages read the database again."""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import threading
import time

import structlog
from channels.layers import get_channel_layer
from django.db import transaction

EVERY = 0.05  # seconds between two rounds of telling: each hint takes time from the very work that it is about
TRIES = 2  # that the broker has cut a connection is found out by what is sent over it next
LAST_WORDS = 1.0  # seconds a process that ends waits for what it has not told yet

log = structlog.get_logger(__name__)


EVERY_POD = "pods"
"""The group of pages that show several pods; messages have the pod's id besides: {"pod": id}."""


def pod_group(pod_id: str) -> str:
    """The channel group of a pod's pages; messages are {"type": "pod.changed", "deployment": id or None}."""
    return f"pod.{pod_id}"


def changed(pod_id: str, deployment_id: str | None = None) -> None:
    """Tell the pages of a pod, soon after what is being written is committed. Costs the caller nothing."""
    transaction.on_commit(lambda: _teller(os.getpid()).tell(pod_id, deployment_id))


class Teller:
    """A thread with one event loop and one connection. The first hint is told at once, later ones every EVERY.

    The same hint given twice before it was told is told once.
    """

    def __init__(self) -> None:
        self._state = threading.Condition()
        self._waiting: dict[tuple[str, str | None], None] = {}
        self._telling = False
        threading.Thread(target=self._run, daemon=True, name="events").start()
        atexit.register(self.flush)

    def tell(self, pod_id: str, deployment_id: str | None) -> None:
        with self._state:
            self._waiting[pod_id, deployment_id] = None
            self._state.notify_all()

    def flush(self, seconds: float = LAST_WORDS) -> bool:
        """Whether everything was told within `seconds`."""
        with self._state:
            return self._state.wait_for(lambda: not self._waiting and not self._telling, seconds)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            while True:
                with self._state:
                    self._state.wait_for(lambda: self._waiting)
                    hints, self._waiting, self._telling = list(self._waiting), {}, True
                for hint in hints:
                    runner.run(_send(*hint))
                with self._state:
                    self._telling = False
                    self._state.notify_all()
                time.sleep(EVERY)


async def _send(pod_id: str, deployment_id: str | None) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    message = {"type": "pod.changed", "deployment": deployment_id}
    for attempt in range(TRIES):
        try:
            await layer.group_send(pod_group(pod_id), message)
            await layer.group_send(EVERY_POD, message | {"pod": pod_id})
            return
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the broker, the deployment goes on
            if attempt + 1 == TRIES:
                log.info("event_not_sent", pod=pod_id, error=str(error))


@functools.lru_cache(maxsize=1)
def _teller(pid: int) -> Teller:
    """This process's own: a thread does not survive a fork."""
    return Teller()
