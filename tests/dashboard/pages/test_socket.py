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
from apps.core.ids import new_id
from apps.dashboard import consumers
from apps.dashboard.routing import websocket_urlpatterns
from apps.deployments.events import EVERY_POD, _send, pod_group
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
    path = f"/ws/pods/{pod}/" if pod else "/ws/pods/"
    return WebsocketCommunicator(application, path, headers=headers)


def home_socket(client: Client) -> WebsocketCommunicator:
    return socket(client, "")


async def joined(connection: WebsocketCommunicator) -> None:
    assert (await connection.connect(timeout=30))[0]
    assert await connection.receive_json_from(timeout=30) == {"type": "joined"}


async def closed_with(connection: WebsocketCommunicator) -> int:
    message = await connection.receive_output(timeout=30)
    assert message["type"] == "websocket.close"
    return int(message["code"])


def test_members_are_told_of_changes(live_pod: Pod, vera: User, client_of: Callable[..., Client]) -> None:
    client = client_of(vera)

    async def watch() -> None:
        connection = socket(client, live_pod.name)
        await joined(connection)
        await connection.send_to(text_data="nonsense")
        await get_channel_layer().group_send(pod_group(live_pod.pk), {"type": "pod.changed", "deployment": "d1"})
        assert await connection.receive_json_from(timeout=30) == {"type": "changed", "deployment": "d1"}
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
        await joined(connection)
        assert await connection.receive_nothing(timeout=0.5)
        await consumers.database_sync_to_async(finish)()
        assert await closed_with(connection) == 4403

    async_to_sync(watch)()


def test_nobody_is_a_user_without_a_session() -> None:
    assert async_to_sync(consumers._visible)(AnonymousUser(), "anything") is None


def test_the_page_of_all_pods_is_told_of_its_own(
    live_pod: Pod, vera: User, charlie: User, client_of: Callable[..., Client]
) -> None:
    other = Pod.objects.create(team=charlie.memberships.get().team, name=f"p{new_id()[-10:]}")
    client = client_of(vera)

    async def watch() -> None:
        connection = home_socket(client)
        await joined(connection)
        await _send(live_pod.pk, None)
        assert await connection.receive_json_from(timeout=30) == {"type": "changed"}
        await _send(other.pk, None)
        assert await connection.receive_nothing(timeout=0.5), "another team's pod"
        await connection.disconnect()

    async_to_sync(watch)()


def test_the_page_of_all_pods_is_told_when_one_comes_or_goes(
    live_pod: Pod, vera: User, client_of: Callable[..., Client]
) -> None:
    client = client_of(vera)

    async def watch() -> None:
        connection = home_socket(client)
        await joined(connection)
        assert await connection.receive_nothing(timeout=0.5)
        made = await Pod.objects.acreate(team_id=live_pod.team_id, name=f"p{new_id()[-10:]}")
        assert await connection.receive_json_from(timeout=30) == {"type": "changed"}
        await made.adelete()
        assert await connection.receive_json_from(timeout=30) == {"type": "changed"}
        await connection.disconnect()

    async_to_sync(watch)()


def test_the_page_of_all_pods_without_a_session_and_after_it(vera: User, client_of: Callable[..., Client]) -> None:
    client = client_of(vera)

    async def watch() -> None:
        nobody = home_socket(Client())
        await nobody.connect(timeout=30)
        assert await closed_with(nobody) == 4403
        connection = home_socket(client)
        await joined(connection)
        await consumers.database_sync_to_async(client.session.flush)()
        assert await closed_with(connection) == 4403

    async_to_sync(watch)()


def test_every_change_is_told_to_both(live_pod: Pod) -> None:
    async def listen() -> None:
        layer = get_channel_layer()
        for group in (pod_group(live_pod.pk), EVERY_POD):
            await layer.group_add(group, f"of.{group}")
        await _send(live_pod.pk, "d1")
        one = await layer.receive(f"of.{pod_group(live_pod.pk)}")
        every = await layer.receive(f"of.{EVERY_POD}")
        assert one == {"type": "pod.changed", "deployment": "d1"}
        assert every == one | {"pod": live_pod.pk}

    async_to_sync(listen)()
