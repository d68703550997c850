"""How one sees that a service is ready, or has moved."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from pathlib import Path

from apps.core.errors import PlatformError


def moved(marker: Path) -> int | None:
    """When a process last said that it is there; None if it has not yet."""
    try:
        return marker.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def answering(ask: Callable[[], object]) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            ask()
        except PlatformError:
            return False
        return True

    return ready


def speaks_http(address: Path) -> bool:
    """Whether an HTTP server answers on the unix socket, whatever it says."""
    connection = http.client.HTTPConnection("localhost", timeout=10)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection.sock:
            connection.sock.settimeout(10)
            connection.sock.connect(str(address))
            connection.request("GET", "/healthz")
            connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    return True
