"""The websockets, for Daphne. Pages are made by the WSGI processes (docs/adr/0002)."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "brainpod.settings")

_pages = get_asgi_application()  # sets Django up: the imports below need its models

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from apps.dashboard.routing import websocket_urlpatterns as of_the_dashboard  # noqa: E402
from apps.logs.routing import websocket_urlpatterns as of_the_logs  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": _pages,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter([*of_the_logs, *of_the_dashboard]))),
    }
)
