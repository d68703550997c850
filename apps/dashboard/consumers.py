"""The sockets of pages: they say that something changed, and the page fetches what it shows anew."""

from __future__ import annotations

import asyncio
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from apps.accounts.models import User
from apps.accounts.sessions import user_behind
from apps.deployments.events import EVERY_POD, pod_group
from apps.pods.models import Pod

CHECK_SECONDS = 4.0  # below the five that are promised
DENIED = 4403


@database_sync_to_async
def _visible(user: User | None, name: str) -> str | None:
    """The id of the pod, if `user` may see it now."""
    if user is None:
        return None
    return Pod.objects.visible_to(user).filter(name=name).values_list("id", flat=True).first()


@database_sync_to_async
def _all_visible(user: User | None) -> frozenset[str] | None:
    """The ids of the pods `user` may see now; None for nobody."""
    if user is None:
        return None
    return frozenset(Pod.objects.visible_to(user).filter(deleting_at=None).values_list("id", flat=True))


class PageConsumer(AsyncJsonWebsocketConsumer):
    """Sends `{"type": "joined"}` once it hears of changes, then `{"type": "changed", …}`; reads nothing.

    Closes with 4403 who may not see the page, within CHECK_SECONDS of the end of the session or of the membership.
    """

    group = ""
    checks: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self.accept()  # a close code reaches the browser only after this
        if not await self.look():
            await self.close(DENIED)
            return
        self.group = self.group_name()
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.send_json({"type": "joined"})  # what changed since the page was made was not heard: it looks again
        self.checks = asyncio.create_task(self._keep_checking())

    async def disconnect(self, code: int) -> None:
        if self.checks:
            self.checks.cancel()
            await asyncio.gather(self.checks, return_exceptions=True)
        if self.group:
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Whatever a browser says here is of no interest."""

    async def look(self) -> bool:
        """Ask the database what the person may see now; False: nothing of it, or no longer the same."""
        raise NotImplementedError

    def group_name(self) -> str:
        raise NotImplementedError

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            if not await self.look():
                self.checks = None  # it is this task, which must not wait for itself
                await self.close(DENIED)
                return


class PodConsumer(PageConsumer):
    """One pod: `{"type": "changed", "deployment": id or null}`."""

    pod: str | None = None

    async def look(self) -> bool:
        found = await _visible(await user_behind(self.scope), self.scope["url_route"]["kwargs"]["pod"])
        self.pod = self.pod or found
        return found is not None and found == self.pod

    def group_name(self) -> str:
        return pod_group(self.pod or "")

    async def pod_changed(self, event: dict[str, Any]) -> None:
        await self.send_json({"type": "changed", "deployment": event.get("deployment")})


class PodsConsumer(PageConsumer):
    """All pods of a person's teams: `{"type": "changed"}`, also when one comes or goes."""

    pods: frozenset[str] | None = None

    async def look(self) -> bool:
        found = await _all_visible(await user_behind(self.scope))
        before, self.pods = self.pods, found
        if found is not None and before is not None and found != before:
            await self.send_json({"type": "changed"})
        return found is not None

    def group_name(self) -> str:
        return EVERY_POD

    async def pod_changed(self, event: dict[str, Any]) -> None:
        if event.get("pod") in (self.pods or ()):
            await self.send_json({"type": "changed"})
