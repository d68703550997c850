"""Ports of this machine's loopback for what the platform starts."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack

# Below those that Linux gives to outgoing connections (32768 and up): one of those can be gone at the next start.
RANGE = range(20_000, 32_000)


def free_port() -> int:
    """A TCP port nobody listens on just now. Whoever wants several asks for them together."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """As many different ones. Raises OSError when a thousand tries find none."""
    found: list[int] = []
    with ExitStack() as held:
        for _ in range(1000):
            port = secrets.choice(RANGE)
            trial = held.enter_context(socket.socket())
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"No {count} free ports between {RANGE.start} and {RANGE.stop}.")
