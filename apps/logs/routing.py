"""The websocket address of a log; asgi.py checks the Origin and the session before."""

from __future__ import annotations

from django.urls import re_path

from apps.logs.consumers import LogConsumer

websocket_urlpatterns = [
    re_path(r"^ws/logs/(?P<stream>[a-z]{1,40}:[0-9a-z]{1,39})/$", LogConsumer.as_asgi(), name="log-socket"),
]
