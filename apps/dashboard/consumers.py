"""The socket of a pod's pages: it says that something changed, and the page fetches what it shows anew."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth.models import AnonymousUser

from apps.accounts.models import User
from apps.deployments.events import pod_group
from apps.pods.models import Pod

CHECK_SECONDS = 5.0
DENIED = 4403


@database_sync_to_async
def _visible(user: User | AnonymousUser, name: str) -> str | None:
    """The id of the pod, if `user` may see it now."""
    if not isinstance(user, User):
        return None
    return Pod.objects.visible_to(user).filter(name=name).values_list("id", flat=True).first()


@database_sync_to_async
def _session_lives(session: Any) -> bool:
    return bool(session.session_key and session.exists(session.session_key))


class PodConsumer(AsyncJsonWebsocketConsumer):
    """Sends `{"type": "changed", "deployment": id or null}`; reads nothing.

    Closes with 4403 within CHECK_SECONDS of the end of the session or of the membership.
    """

    group = ""
    checks: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        pod = await self._pod()
        if pod is None:
            await self.close(DENIED)
            return
        self.group = pod_group(pod)
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        self.checks = asyncio.create_task(self._keep_checking(pod))

    async def disconnect(self, code: int) -> None:
        if self.checks:
            self.checks.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.checks
        if self.group:
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Whatever a browser says here is of no interest."""

    async def pod_changed(self, event: dict[str, Any]) -> None:
        await self.send_json({"type": "changed", "deployment": event.get("deployment")})

    async def _pod(self) -> str | None:
        """The pod of the address, asked anew: the session and the membership may have ended since."""
        session = self.scope.get("session")
        if session is None or not await _session_lives(session):
            return None
        return await _visible(await get_user(self.scope), self.scope["url_route"]["kwargs"]["pod"])

    async def _keep_checking(self, pod: str) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            if await self._pod() != pod:
                self.checks = None
                await self.close(DENIED)
                return
