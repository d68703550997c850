"""How a workload reaches its peers: an address of the loopback for each, carried to whatever has the name now.

In a sandbox the address is in the network namespace of whoever asks, so nobody else finds it. Without sandboxes it is
in everybody's, and shared by those who have the peer in common; a password is then what keeps others out.
"""

from __future__ import annotations

import errno
import hashlib
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from apps.engines.base import Peer
from apps.engines.process.forward import Forwarder, Target
from apps.engines.process.namespaces import SocketMaker


def address(pod: str, name: str) -> str:
    """The same wherever it is asked for; never 127.0.x.y, where other things listen."""
    first, second, third = hashlib.sha256(f"{pod}/{name}".encode()).digest()[:3]
    return f"127.{1 + first % 254}.{second}.{1 + third % 254}"


def door(pod: str, name: str) -> tuple[str, int]:
    """Where programs of the host reach what has the name: no port that a server of its own is likely to have."""
    host = address(pod, name)
    number = int.from_bytes(hashlib.sha256(f"{pod}/{name}".encode()).digest()[3:5])
    return host, 20000 + number % 10000


def wanted(pod: str, peers: Iterable[Peer]) -> list[dict[str, Any]]:
    """What the keeper is asked to open for a workload of `pod`."""
    return [
        {"name": key(owner, peer.name), "host": address(owner, peer.name), "port": peer.port}
        for peer in peers
        for owner in [peer.pod or pod]
    ]


def key(pod: str, name: str) -> str:
    """A name among those of all pods; empty for none."""
    return f"{pod}/{name}" if name else ""


@dataclass(slots=True)
class Way:
    name: str
    listener: socket.socket
    owners: set[str] = field(default_factory=set)


class Ways:
    """`find(name)`: where connections to what has the name go now; None while nothing has it."""

    def __init__(self, forwarder: Forwarder, maker: SocketMaker, find: Callable[[str], Target | None]) -> None:
        self._forwarder = forwarder
        self._maker = maker
        self._find = find
        self._open: dict[tuple[str, str, int], Way] = {}

    def open(self, workload: str, namespace: int | None, *, name: str, host: str, port: int) -> None:
        """Raises OSError when the address is taken."""
        place = (workload if namespace is not None else "", host, port)
        if place not in self._open:
            listener = self._maker.listener(namespace, port, host)
            self._open[place] = Way(name, listener)
            self._forwarder.add(listener, lambda: self._find(name))
        elif self._open[place].name != name:
            raise OSError(errno.EADDRINUSE, f"{host}:{port} leads to something else already")
        self._open[place].owners.add(workload)

    def close(self, workload: str) -> None:
        """`workload` needs none of its ways any more."""
        for place, way in list(self._open.items()):
            way.owners.discard(workload)
            if not way.owners:
                self._forwarder.remove(self._open.pop(place).listener)
