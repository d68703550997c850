"""The fixtures of connections and their hosts."""

from __future__ import annotations

from tests.connections.conftest import authority, connect, loopback
from tests.sources.conftest import served

__all__ = ["authority", "connect", "loopback", "served"]
