"""The platform's own requests to git hosts go the way that git goes: through the machine's proxy, or around it."""

from __future__ import annotations

import http.server
import select
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from apps.core.errors import UserError
from apps.sources import outbound
from apps.sources.urls import check_url
from tests.sources.conftest import Served
from tests.sources.test_credentials import LOOPBACK


class Proxy(http.server.BaseHTTPRequestHandler):
    """CONNECT alone; `server.asked` is where to."""

    def do_CONNECT(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as far:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: far, far: self.connection}
            while ready := select.select(list(ends), [], [], 30)[0]:
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        return
                    ends[end].sendall(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.asked = []  # type: ignore[attr-defined]
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(30)


@pytest.fixture
def host(served: Served) -> Served:
    served.api = lambda path, headers, body: (200, {"host": headers["Host"]})
    return served


def post(host: Served) -> tuple[int, Any]:
    return outbound.post(check_url(f"{host.url}/api/x", allowed=LOOPBACK), {}, {}, allowed=LOOPBACK)


def test_through_the_proxy_of_the_environment(host: Served, proxy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.server_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    authority = host.url.removeprefix("https://")
    assert post(host) == (200, {"host": authority})
    assert proxy.asked == [authority], "by its name, as git asks"


def test_around_it_for_what_needs_none(host: Served, proxy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.server_port}")
    monkeypatch.setenv("no_proxy", "localhost")
    assert post(host)[0] == 200
    assert proxy.asked == []


def test_a_proxy_that_is_not_there_is_named_as_unreachable(host: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(UserError) as refused:
        post(host)
    assert refused.value.code == "source_unreachable"
