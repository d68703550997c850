"""The websocket address of a terminal; asgi.py finds the session before."""

from __future__ import annotations

from django.urls import path

from apps.terminals.consumers import TerminalConsumer

websocket_urlpatterns = [
    path("ws/pods/<slug:pod>/terminals/<slug:workload>/", TerminalConsumer.as_asgi(), name="terminal-socket"),
]
