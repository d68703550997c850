from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client
from django.utils import timezone

from apps import engines
from apps.accounts.models import Team
from apps.core.ids import new_id
from apps.deployments.models import Workload
from apps.engines.process.client import ProcessEngine
from apps.pods.models import Pod
from apps.terminals import consumers
from apps.terminals.routing import websocket_urlpatterns
from tests.engines.workloads import running, worker

SECONDS = 60.0
HOST = b"localhost:8080"


@pytest.fixture
def instance(team: Team, engine_agent: ProcessEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workload]:
    """A running instance of an app of the team."""
    monkeypatch.setattr(engines, "engine", lambda: engine_agent)
    monkeypatch.setattr(consumers, "ASK_SECONDS", 0.2)
    pod = Pod.objects.create(team=team, name=f"p{new_id()[-10:]}")
    revision = pod.revisions.create(version=1, sealed_at=timezone.now())
    row = Workload.objects.create(pod=pod, revision=revision, app="web", fingerprint="f", state="healthy", serving=True)
    handle = engine_agent.launch(worker("exec sleep 600", id=row.pk, pod=pod.pk))
    running(engine_agent, handle)
    Workload.objects.filter(pk=row.pk).update(handle=handle)
    yield Workload.objects.select_related("pod__team").get(pk=row.pk)
    engine_agent.stop(handle, 0)


class Page:
    """A browser's side of a terminal. `seen` is what was written; `over` how it ended; `code` the close code."""

    def __init__(self, instance: Workload, client: Client | None, *, origin: bytes | None, query: str) -> None:
        session = client.cookies.get(settings.SESSION_COOKIE_NAME) if client else None
        cookie = f"{settings.SESSION_COOKIE_NAME}={session.value}" if session else ""
        headers = [(b"cookie", cookie.encode()), (b"host", HOST), (b"x-real-ip", b"203.0.113.9")]
        self._way = WebsocketCommunicator(
            AuthMiddlewareStack(URLRouter(websocket_urlpatterns)),
            f"/ws/pods/{instance.pod.name}/terminals/{instance.pk}/?{query}",
            headers=[*headers, (b"origin", origin)] if origin is not None else headers,
        )
        self.shows = True
        self.seen = b""
        self.taken = 0
        self.said: list[dict[str, Any]] = []
        self.code = 0

    @property
    def over(self) -> dict[str, Any]:
        return next((message for message in self.said if "over" in message), {})

    async def open(self) -> None:
        assert (await self._way.connect(timeout=SECONDS))[0]

    async def leave(self) -> None:
        await self._way.disconnect(timeout=SECONDS)

    async def type(self, data: bytes) -> None:
        await self._way.send_to(bytes_data=data)

    async def say(self, message: str) -> None:
        await self._way.send_to(text_data=message)

    async def look(self) -> None:
        found = await self._way.receive_output(timeout=SECONDS)
        if found["type"] == "websocket.close":
            self.code = int(found["code"])
        elif found.get("bytes") is not None:
            self.seen += found["bytes"]
            if self.shows:
                await self.say(json.dumps({"shown": len(found["bytes"])}))
        else:
            message = json.loads(found["text"])
            self.taken += message.get("taken", 0)
            self.said.append(message)

    async def quiet(self, seconds: float) -> None:
        """Take what comes until nothing does for so long."""
        while not await self._way.receive_nothing(timeout=seconds):
            await self.look()

    async def until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, (self.said, self.seen[-500:])
            assert not self.code, (self.code, self.said, self.seen[-500:])
            await self.look()

    async def until_closed(self) -> int:
        async with asyncio.timeout(SECONDS):
            while not self.code:
                await self.look()
        return self.code


@asynccontextmanager
async def terminal(
    instance: Workload,
    client: Client | None,
    *,
    origin: bytes | None = b"http://" + HOST,
    query: str = "columns=90&rows=30",
) -> AsyncIterator[Page]:
    page = Page(instance, client, origin=origin, query=query)
    await page.open()
    try:
        yield page
    finally:
        await page.leave()
