"""The websockets of the dashboard, for brainpod/asgi.py."""

from __future__ import annotations

from django.urls import path

from apps.dashboard.consumers import PodConsumer, PodsConsumer

websocket_urlpatterns = [
    path("ws/pods/", PodsConsumer.as_asgi(), name="pods-socket"),
    path("ws/pods/<slug:pod>/", PodConsumer.as_asgi(), name="pod-socket"),
]
