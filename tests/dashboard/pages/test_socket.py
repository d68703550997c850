"""The socket of a pod's pages: who is let in, what it says, when it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.layers import channel_layers, get_channel_layer
from channels.routing import URLRouter
from channels.sessions import CookieMiddleware, SessionMiddleware
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser
from django.test import Client, override_settings

from apps.accounts.models import User
from apps.dashboard import consumers
from apps.dashboard.routing import websocket_urlpatterns
from apps.deployments.events import pod_group
from apps.pods.models import Pod

pytestmark = pytest.mark.django_db(transaction=True)

IN_MEMORY = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@pytest.fixture(autouse=True)
def layer(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(consumers, "CHECK_SECONDS", 0.2)
    with override_settings(CHANNEL_LAYERS=IN_MEMORY):
        channel_layers.backends.clear()
        yield
    channel_layers.backends.clear()


def socket(client: Client, pod: str) -> WebsocketCommunicator:
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    application = CookieMiddleware(SessionMiddleware(URLRouter(websocket_urlpatterns)))
    headers = [(b"cookie", cookies.encode())] if cookies else []
    return WebsocketCommunicator(application, f"/ws/pods/{pod}/", headers=headers)


async def closed_with(connection: WebsocketCommunicator) -> int:
    message = await connection.receive_output(timeout=30)
    assert message["type"] == "websocket.close"
    return int(message["code"])


def test_members_are_told_of_changes(live_pod: Pod, vera: User, client_of: Callable[..., Client]) -> None:
    client = client_of(vera)

    async def watch() -> None:
        connection = socket(client, live_pod.name)
        assert (await connection.connect(timeout=30))[0]
        await connection.send_to(text_data="nonsense")
        message = None
        while message is None:  # the group is joined just after the handshake
            layer = get_channel_layer()
            await layer.group_send(pod_group(live_pod.pk), {"type": "pod.changed", "deployment": "d1"})
            if not await connection.receive_nothing(timeout=0.2):
                message = await connection.receive_json_from(timeout=30)
        assert message == {"type": "changed", "deployment": "d1"}
        await connection.disconnect()

    async_to_sync(watch)()


@pytest.mark.parametrize("who", ["anonymous", "stranger", "forged"])
def test_others_are_shown_out(who: str, live_pod: Pod, charlie: User, client_of: Callable[..., Client]) -> None:
    client = client_of(charlie) if who == "stranger" else Client()
    if who == "forged":
        client.cookies["brainpod_session"] = "a" * 32

    async def knock() -> None:
        connection = socket(client, live_pod.name)
        await connection.connect(timeout=30)
        assert await closed_with(connection) == 4403

    async_to_sync(knock)()


@pytest.mark.parametrize("end", ["membership", "session", "account", "pod"])
def test_it_ends_with_what_let_one_in(end: str, live_pod: Pod, vera: User, client_of: Callable[..., Client]) -> None:
    client = client_of(vera)

    def finish() -> None:
        if end == "membership":
            live_pod.team.memberships.filter(user=vera).delete()
        elif end == "session":
            client.session.flush()
        elif end == "account":
            User.objects.filter(pk=vera.pk).update(is_active=False)
        else:
            Pod.objects.filter(pk=live_pod.pk).update(live=None, head=None)
            live_pod.workloads.all().delete()
            live_pod.deployments.all().delete()
            Pod.objects.filter(pk=live_pod.pk).delete()

    async def watch() -> None:
        connection = socket(client, live_pod.name)
        assert (await connection.connect(timeout=30))[0]
        assert await connection.receive_nothing(timeout=0.5)
        await consumers.database_sync_to_async(finish)()
        assert await closed_with(connection) == 4403

    async_to_sync(watch)()


def test_nobody_is_a_user_without_a_session() -> None:
    assert async_to_sync(consumers._visible)(AnonymousUser(), "anything") is None
