"""The access matrix of the websockets: every route that brainpod/asgi.py serves × every person, from its own pages and
from those of others.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.layers import channel_layers
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client, override_settings
from django.urls import URLPattern
from django.urls.resolvers import RegexPattern, URLResolver

from apps import engines
from apps.accounts.roles import Role
from apps.core.masking import Mask
from apps.dashboard.access import Rule
from apps.deployments.models import Deployment, Workload
from apps.engines.process.client import ProcessEngine
from apps.logs.writer import LogWriter
from brainpod.asgi import application
from tests.dashboard.access_matrix import SOCKETS, World, build_world
from tests.engines.workloads import running, worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]
SECONDS = 60
HOST, OURS, THEIRS = b"localhost", b"http://localhost", b"https://evil.example.com"
IN_MEMORY = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


def served() -> list[URLPattern]:
    """The routes at the bottom of what asgi.py has put around them."""
    layer: Any = application.application_mapping["websocket"]
    while not isinstance(layer, URLRouter):
        layer = getattr(layer, "inner", None) or layer.application
    return list(layer.routes)


@pytest.fixture
def world(db: None, engine_agent: ProcessEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """With a log that has a line, and an instance that runs."""
    made = build_world()
    monkeypatch.setattr(engines, "engine", lambda: engine_agent)
    with LogWriter.open(Deployment.objects.get(pk=made.words["deployment"]).stream, mask=Mask([])) as writer:
        writer.line("hello")
    handle = engine_agent.launch(worker("exec sleep 600", id=made.words["workload"], pod=made.pod.pk))
    running(engine_agent, handle)
    Workload.objects.filter(pk=made.words["workload"]).update(handle=handle, state="healthy", serving=True)
    with override_settings(CHANNEL_LAYERS=IN_MEMORY):
        channel_layers.backends.clear()
        yield made
    channel_layers.backends.clear()
    engine_agent.stop(handle, 0)


def way(world: World, name: str, person: str, origin: bytes) -> WebsocketCommunicator:
    client, user = Client(), world.people[person]
    if user is not None:
        client.force_login(user)
    session = client.cookies.get(settings.SESSION_COOKIE_NAME)
    cookie = f"{settings.SESSION_COOKIE_NAME}={session.value}" if session else ""
    routes = URLResolver(RegexPattern(r"^/"), served())  # type: ignore[arg-type]
    address = f"/{routes.reverse(name, **SOCKETS[name].words(world))}?{SOCKETS[name].query}"
    headers = [(b"cookie", cookie.encode()), (b"host", HOST), (b"origin", origin)]
    return WebsocketCommunicator(application, address, headers=headers)


async def let_in(socket: WebsocketCommunicator) -> bool:
    """Whether what it says first is something else than that it is over."""
    accepted, _ = await socket.connect(timeout=SECONDS)
    if not accepted:
        return False
    said = await socket.receive_output(timeout=SECONDS)
    came = said["type"] == "websocket.send" and "over" not in json.loads(said["text"])
    await socket.disconnect(timeout=SECONDS)
    return came


def may(world: World, person: str, rule: Rule) -> bool:
    user = world.people[person]
    if user is None or not user.is_active:
        return False
    role = world.team.role_of(user)
    return rule.kind == "signed_in" or (role is not None and rule.role is not None and role >= rule.role)


def test_every_socket_has_a_row_and_is_served() -> None:
    names = {route.name for route in served()}
    assert names == SOCKETS.keys(), "add rows to SOCKETS in tests/dashboard/access_matrix.py"
    written = {
        route.name
        for file in (Path(__file__).parents[2] / "apps").glob("*/routing.py")
        for route in importlib.import_module(f"apps.{file.parent.name}.routing").websocket_urlpatterns
    }
    assert written == names, "brainpod/asgi.py has to serve them all"


def test_who_is_let_in(world: World) -> None:
    wrong, tried = {}, 0
    for name, socket in SOCKETS.items():
        for person in world.people:
            tried += 1
            got = async_to_sync(let_in)(way(world, name, person, OURS))
            if got != may(world, person, socket.rule):
                wrong[name, person] = got
    assert not wrong
    assert tried >= len(SOCKETS) * (len(Role) + 5)


def test_nobody_is_let_in_from_pages_of_others(world: World) -> None:
    let = [name for name in SOCKETS if async_to_sync(let_in)(way(world, name, "owner", THEIRS))]
    assert not let
