"""A browser's side of the log socket, in this process: the real consumer behind the real session and routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from apps.logs.routing import websocket_urlpatterns

SECONDS = 40

Lines = list[list[Any]]


class Socket:
    """One viewer. `lines` is everything it was sent, `gaps` what it was told is missing."""

    def __init__(self, stream: str, client: Client | None, after: str | int) -> None:
        session = client.cookies.get(settings.SESSION_COOKIE_NAME) if client else None
        cookie = f"{settings.SESSION_COOKIE_NAME}={session.value}" if session else ""
        self._way = WebsocketCommunicator(
            AuthMiddlewareStack(URLRouter(websocket_urlpatterns)),
            f"/ws/logs/{stream}/?after={after}",
            headers=[(b"cookie", cookie.encode())],
        )
        self.lines: Lines = []
        self.gaps: list[list[int]] = []

    async def open(self) -> None:
        accepted, _ = await self._way.connect(timeout=SECONDS)
        assert accepted

    async def leave(self) -> None:
        await self._way.disconnect(timeout=SECONDS)

    async def say(self, message: str) -> None:
        await self._way.send_to(text_data=message)

    async def take(self) -> Lines:
        """The lines of the next message; acknowledges them."""
        found = await self._way.receive_output(timeout=SECONDS)
        assert found["type"] == "websocket.send", found
        message = json.loads(found["text"])
        if "gap" in message:
            self.gaps.append(message["gap"])
            return []
        self.lines += message["lines"]
        await self.say(json.dumps({"ack": self.lines[-1][0]}))
        return list(message["lines"])

    async def until(self, seq: int) -> None:
        while not self.lines or self.lines[-1][0] < seq:
            await self.take()

    async def close_code(self) -> int:
        """The code it is closed with; what it is sent before is passed over, unacknowledged."""
        async with asyncio.timeout(SECONDS):
            while (found := await self._way.receive_output(timeout=SECONDS))["type"] != "websocket.close":
                pass
        return int(found["code"])


@asynccontextmanager
async def watching(stream: str, client: Client | None, after: str | int = 0) -> AsyncIterator[Socket]:
    socket = Socket(stream, client, after)
    await socket.open()
    try:
        yield socket
    finally:
        await socket.leave()
