"""Ports for what the platform starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from apps.core import ports


def test_they_are_different_free_and_not_given_to_outgoing_connections() -> None:
    found = ports.free_ports(200)
    assert len(set(found)) == 200
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(found) < first_outgoing
    for port in found:
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))


def test_what_is_taken_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        taken = ports.free_port()
        server.bind(("127.0.0.1", taken))
        server.listen()
        monkeypatch.setattr(ports, "RANGE", range(taken, taken + 1))
        with pytest.raises(OSError, match="No 1 free ports"):
            ports.free_port()
