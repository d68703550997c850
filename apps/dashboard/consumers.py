"""The socket of a pod's pages: it says that something changed, and the page fetches what it shows anew."""

from __future__ import annotations

import asyncio
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.utils.module_loading import import_string

from apps.accounts.models import User
from apps.deployments.events import pod_group
from apps.pods.models import Pod

CHECK_SECONDS = 4.0  # below the five that are promised
DENIED = 4403


@database_sync_to_async
def _visible(user: Any, name: str) -> str | None:
    """The id of the pod, if `user` may see it now."""
    if not isinstance(user, User):
        return None
    return Pod.objects.visible_to(user).filter(name=name).values_list("id", flat=True).first()


class PodConsumer(AsyncJsonWebsocketConsumer):
    """Sends `{"type": "changed", "deployment": id or null}`; reads nothing.

    Closes with 4403 who may not see the pod, within CHECK_SECONDS of the end of the session or of the membership.
    """

    group = ""
    checks: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self.accept()  # a close code reaches the browser only after this
        pod = await self._pod()
        if pod is None:
            await self.close(DENIED)
            return
        self.group = pod_group(pod)
        await self.channel_layer.group_add(self.group, self.channel_name)
        self.checks = asyncio.create_task(self._keep_checking(pod))

    async def disconnect(self, code: int) -> None:
        if self.checks:
            self.checks.cancel()
            await asyncio.gather(self.checks, return_exceptions=True)
        if self.group:
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Whatever a browser says here is of no interest."""

    async def pod_changed(self, event: dict[str, Any]) -> None:
        await self.send_json({"type": "changed", "deployment": event.get("deployment")})

    async def _pod(self) -> str | None:
        """The id of the pod of the address, asked of the database each time."""
        session = self.scope.get("session")
        if session is None:
            return None
        store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
        user = await get_user({"session": store(session.session_key)})
        return await _visible(user, self.scope["url_route"]["kwargs"]["pod"])

    async def _keep_checking(self, pod: str) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            if await self._pod() != pod:
                self.checks = None  # it is this task, which must not wait for itself
                await self.close(DENIED)
                return
