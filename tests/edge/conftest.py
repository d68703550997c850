"""A real nginx on a free port, with its state in a directory of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.core.errors import Unavailable
from apps.core.ports import free_port
from apps.edge.base import Applied, EdgeState, Rule, Site
from apps.edge.binary import wheel_binary
from apps.edge.nginx import NginxEdge
from tests.edge.upstream import Far, SocketApp, Upstream


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


class Stand:
    """An edge with its nginx, and what a test puts behind it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        self.static = root / "static"
        self.static.mkdir(mode=0o755)
        self.edge = self.another()
        self._behind: list[Upstream | Far | SocketApp] = []
        self._process: subprocess.Popen[bytes] | None = None

    def another(self, **settings: Any) -> NginxEdge:
        """Another edge object on the same state, as another process would have it."""
        given: dict[str, Any] = {
            "binary": wheel_binary(),
            "port": self.port,
            "bind": "127.0.0.1",
            "dashboard_host": "panel.test",
            "dashboard_pages": [str(self.root / "run" / "pages.sock")],
            "dashboard_sockets": str(self.root / "run" / "sockets.sock"),
            "static_root": self.static,
            **settings,
        }
        return NginxEdge(self.root, self.root / "run", **given)

    def start(self) -> None:
        self._process = subprocess.Popen(self.edge.command(), start_new_session=True, stdin=subprocess.DEVNULL)
        wait_for(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.edge.layout.error_log.read_text()
        try:
            return self.edge.generation() > 0
        except Unavailable:
            return False

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process
        return self._process

    def end(self, how: int = signal.SIGTERM) -> None:
        if self._process:
            os.killpg(self._process.pid, how)
            self._process.wait(30)
            self._process = None

    def stop(self) -> None:
        self.end()
        for upstream in self._behind:
            upstream.stop()

    def clear(self) -> None:
        """Take away what a test put behind the edge and into its directories."""
        for upstream in self._behind:
            upstream.stop()
        self._behind.clear()
        for left in (*self.root.iterdir(), *self.static.iterdir()):
            if left.name not in ("nginx", "run", "static"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()

    def upstream(self, name: str = "app", path: str = "") -> Upstream:
        made = Upstream(self.root / (path or f"{name}.sock"), name)
        self._behind.append(made)
        return made

    def far(self, name: str = "app", host: str = "127.0.0.1", *, dies: bool = False) -> Far:
        made = Far(name, host, dies=dies)
        self._behind.append(made)
        return made

    def socket_app(self, path: str = "") -> SocketApp:
        """At an address where it is given no path."""
        made = SocketApp(self.root / path if path else None)
        self._behind.append(made)
        return made

    def forget(self, upstream: Upstream | Far) -> None:
        self._behind.remove(upstream)
        upstream.stop()

    def apply(self, *sites: Site) -> Applied:
        return self.edge.apply(lambda: EdgeState(sites))

    def ask(
        self, host: str, path: str = "/", method: str = "GET", *, source: str = "127.0.0.1", **more: Any
    ) -> httpx.Response:
        with self.client(host, source) as client:
            return client.request(method, path, **more)

    def client(self, host: str, source: str = "127.0.0.1") -> httpx.Client:
        """Who asks for `host` again and again, from the address `source`."""
        base = f"http://127.0.0.1:{self.port}"
        way = httpx.HTTPTransport(local_address=source)
        return httpx.Client(base_url=base, headers={"Host": host}, timeout=60, trust_env=False, transport=way)

    def raw(self, request: bytes) -> bytes:
        """What nginx answers to these very bytes, until it closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as answer:
                return answer.read()


def app(host: str, *upstreams: str, path: str = "/", timeout: int = 60, body_mb: int = 100, **rule: Any) -> Site:
    return Site(host, rules=(Rule(path, upstreams=upstreams, **rule),), timeout=timeout, body_mb=body_mb)


@contextmanager
def prepared() -> Iterator[Stand]:
    root = Path(tempfile.mkdtemp(prefix="bp-e-"))
    root.chmod(0o711)
    try:
        stand = Stand(root)
        stand.edge.prepare()
        yield stand
        stand.stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def cold() -> Iterator[Stand]:
    """A prepared edge of this test alone, whose nginx does not run yet."""
    with prepared() as stand:
        yield stand


@pytest.fixture(scope="session")
def shared() -> Iterator[Stand]:
    with prepared() as stand:
        stand.start()
        yield stand


@pytest.fixture
def stand(shared: Stand) -> Iterator[Stand]:
    """The one nginx of the session, serving what this test applies; nothing of an earlier test is behind it."""
    yield shared
    shared.clear()
