"""Where requests of a sleeping app wait: nginx asks here before it passes one on, and is told where the app is by then.

A small ASGI application beside the sockets (brainpod/asgi.py), so that who waits costs a coroutine and no process.
Whatever the number of those who wait, an app is asked about once and woken once. nginx holds the requests themselves,
their bodies unread, and answers with a page when this says no: 401 for too many, 403 for one that cannot be woken.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from channels.db import database_sync_to_async
from django.utils import timezone

from apps.deployments import lifecycle, settling
from apps.deployments.models import AppControl, Workload

log = structlog.get_logger(__name__)
PATH = "/@wake"
PATIENCE = 60.0  # seconds
PAUSES = 0.03, 0.3  # seconds between two looks at the database, growing
MOST_OF_APP = 256  # requests that wait for one app
MOST = 2048  # and for all together
REFUSED = 60.0  # seconds an app that could not be woken is left alone


@dataclass(frozen=True, slots=True)
class Look:
    """`addresses` of what serves; with none, `hopeless` says that waiting is in vain."""

    addresses: tuple[str, ...] = ()
    hopeless: bool = False


def look(pod_id: str, app: str) -> Look:
    """How the app is now, woken if it sleeps."""
    control = AppControl.objects.filter(pod=pod_id, app=app, pod__deleting_at=None).first()
    if control and control.stopped_at:
        return Look(hopeless=True)
    if control and control.asleep_since:
        refused = control.refused_at
        if refused and (timezone.now() - refused).total_seconds() < REFUSED:
            return Look(hopeless=True)
        lifecycle.wake(control=control)
        return Look()
    rows = Workload.objects.filter(pod=pod_id, app=app, serving=True).exclude(state="stopped")
    addresses = tuple(row.address for row in rows if row.address)
    coming = (control and control.due) or settling.in_rollout(pod_id)
    return Look(addresses, hopeless=not (addresses or coming))


class Waker:
    def __init__(self, ask: Callable[[str, str], Look] = look, *, patience: float = PATIENCE) -> None:
        self._ask = database_sync_to_async(ask)
        self._patience = patience
        self._waking: dict[tuple[str, str], asyncio.Task[Look]] = {}
        self._waiting: Counter[tuple[str, str]] = Counter()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        given = dict(scope["headers"]).get(b"x-brainpod-app", b"").decode("latin-1")
        pod, _, app = given.partition("/")
        status, address = await self.address(pod, app)
        headers = [(b"x-brainpod-upstream", _as_nginx_writes(address))] if address else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def address(self, pod: str, app: str) -> tuple[int, str]:
        """204 and where the app is, once it runs; 401 or 403."""
        key = (pod, app)
        if self._waiting[key] >= MOST_OF_APP or self._waiting.total() >= MOST:
            return 401, ""
        self._waiting[key] += 1
        try:
            task = self._waking.get(key)
            if task is None:
                task = self._waking[key] = asyncio.create_task(self._awake(pod, app))
                task.add_done_callback(lambda _: self._waking.pop(key, None))
            found = await asyncio.shield(task)  # who goes away does not take the others along
        except Exception:
            log.exception("not_woken", pod=pod, app=app)
            return 403, ""
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]
        return (204, random.choice(found.addresses)) if found.addresses else (403, "")  # nosec B311

    async def _awake(self, pod: str, app: str) -> Look:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        pause, slowest = PAUSES
        while True:
            found: Look = await self._ask(pod, app)
            if found.addresses or found.hopeless or loop.time() > deadline:
                return found
            await asyncio.sleep(pause)
            pause = min(slowest, pause * 1.3)


def _as_nginx_writes(address: str) -> bytes:
    """The form proxy_pass has: a socket's path ends with a colon."""
    return f"{address}:".encode() if address.startswith("unix:") else address.encode()
