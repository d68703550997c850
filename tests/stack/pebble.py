"""A real ACME server and the DNS it asks: Debian's pebble and pebble-challtestsrv, on ports of their own."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from apps.core.ports import free_ports
from apps.edge import certificates
from tests.stack.components import running

PROGRAMS = ("pebble", "pebble-challtestsrv")


class Pebble:
    """`directory`: the ACME server's address; `ca`: a file of what its own certificate is checked with.

    Names lead to 127.0.0.1, where it asks for answers to HTTP-01 at `http_port`.
    """

    def __init__(self, root: Path, http_port: int, dns: str = "") -> None:
        self.root = root
        self.port, self._management, self._told, self._dns, tls = free_ports(5)
        self.directory = f"https://localhost:{self.port}/dir"
        self.ca = root / "ca.pem"
        self._asked = dns or f"127.0.0.1:{self._dns}"
        chain, key = certificates.self_signed(["localhost", "127.0.0.1"])
        self.ca.write_text(chain)
        (root / "key.pem").write_text(key)
        settings = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(self.ca),
            "privateKey": str(root / "key.pem"),
            "httpPort": http_port,
            "tlsPort": tls,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
        (root / "pebble.json").write_text(json.dumps({"pebble": settings}))

    @contextmanager
    def serving(self, **environment: str) -> Iterator[Pebble]:
        told = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0", **environment}
        named = [f"{name}={value}" for name, value in told.items()]
        challenges = [
            *("pebble-challtestsrv", "-dns01", f"127.0.0.1:{self._dns}", "-management", f"127.0.0.1:{self._told}"),
            *("-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""),
        ]
        server = ["env", *named, "pebble", "-config", str(self.root / "pebble.json"), "-dnsserver", self._asked]
        with (
            running(challenges, self.root / "dns.log", lambda: _listens(self._told)),
            running(server, self.root / "pebble.log", lambda: _listens(self.port)),
        ):
            yield self

    def root_certificate(self) -> str:
        """What signed everything it issues, in PEM."""
        answer = httpx.get(f"https://127.0.0.1:{self._management}/roots/0", verify=False, trust_env=False)
        return answer.text

    def tell_dns(self, act: str, **what: Any) -> None:
        """An act of pebble-challtestsrv: set-txt, add-a, set-servfail, ..."""
        httpx.post(f"http://127.0.0.1:{self._told}/{act}", json=what, trust_env=False).raise_for_status()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
