"""The websockets and streams of events, for Daphne. Pages are made by the WSGI processes (docs/adr/0002)."""

from __future__ import annotations

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "brainpod.settings")

_pages = get_asgi_application()  # sets Django up: the imports below need its models

import structlog  # noqa: E402
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.middleware import BaseMiddleware  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from apps.dashboard.routing import websocket_urlpatterns as of_the_dashboard  # noqa: E402
from apps.deployments.waker import PATH, Waker  # noqa: E402
from apps.logs.routing import websocket_urlpatterns as of_the_logs  # noqa: E402
from apps.terminals.routing import websocket_urlpatterns as of_the_terminals  # noqa: E402


class NumberedConnections(BaseMiddleware):
    """nginx's number of the request stands in every line that is logged for a connection."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=given)
        return await super().__call__(scope, receive, send)


_waker = Waker()


async def _http(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """nginx sends here what lasts (STREAMED in apps/edge/render.py), and its own question for a sleeping app."""
    door = _waker if scope["path"] == PATH else _pages
    await door(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": _http,
        "websocket": NumberedConnections(
            AllowedHostsOriginValidator(
                AuthMiddlewareStack(URLRouter([*of_the_logs, *of_the_terminals, *of_the_dashboard]))
            )
        ),
    }
)
