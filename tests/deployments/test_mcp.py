"""An app of the type mcp from its spec to the edge: its streams stay open, and it has a key if it wants one."""

from __future__ import annotations

import time

import httpx
import pytest

from apps.accounts.models import User
from apps.deployments import keys, reconcile
from tests.deployments.standing import Shop, until

pytestmark = pytest.mark.django_db(transaction=True)
LIMIT = 1  # second: of the route
SILENT = 3.0  # seconds in which the stream says nothing
STREAM = """
import os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if os.environ["KIND"] == "mcp" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        told = self.headers.get("Authorization", "")
        self.wfile.write(f"data: begun {told}\\n\\n".encode())
        self.wfile.flush()
        time.sleep(float(os.environ["SILENT"]))
        self.wfile.write(b"data: over\\n\\n")

    def log_message(self, *words):
        pass

ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""


def deploy(shop: Shop, kind: str, silent: float = SILENT, **spec: object) -> None:
    """The stream behind a route with a time limit far below its silence."""
    shop.save("App", "web", type=kind, source={"repo": "https://git.example.com/team/shop.git"})
    shop.save("Route", "front", rules=[{"path": "/", "app": "web"}], timeout=LIMIT)
    done = shop.deploy(code=STREAM, type=kind, env={"KIND": kind, "SILENT": str(silent)}, **spec)
    assert done.state == "ready", done.error


def streamed(shop: Shop, headers: dict[str, str] | None = None) -> tuple[int, list[tuple[float, str]]]:
    """The status, and each event with the seconds until it came; what was cut off has no "over"."""
    found: list[tuple[float, str]] = []
    began = time.monotonic()
    with shop.stand.client(shop.host) as client, client.stream("POST", "/mcp", headers=headers) as answer:
        try:
            for line in answer.iter_lines():
                found += [(time.monotonic() - began, line)] if line else []
        except httpx.RemoteProtocolError:
            pass
    return answer.status_code, found


def test_a_stream_is_passed_on_at_once_and_outlasts_the_time_limit(shop: Shop) -> None:
    deploy(shop, "mcp")
    status, events = streamed(shop)
    assert (status, [words.strip() for _, words in events]) == (200, ["data: begun", "data: over"])
    (first, _), (last, _) = events
    assert last - first > 0.9 * SILENT, "the first was not kept back for the last"


def test_the_same_stream_of_a_web_app_is_cut_by_the_time_limit(shop: Shop) -> None:
    deploy(shop, "web")
    assert [words.strip() for _, words in streamed(shop)[1]] == ["data: begun"]


def test_with_a_key_the_edge_asks_for_it_until_it_is_ended(shop: Shop, alice: User) -> None:
    deploy(shop, "mcp", silent=0, mcpKey=True)
    status, events = streamed(shop)
    assert status == 401
    assert "key_required" in events[0][1]
    key = keys.make_key(pod=shop.pod, app="web", by=alice)
    own = {"X-API-Key": key, "Authorization": "Bearer the-app's-own"}

    def let_in() -> bool:
        reconcile.reconcile()
        return streamed(shop, own)[0] == 200

    until(let_in, what="for the key to count")
    assert [words for _, words in streamed(shop, own)[1]] == ["data: begun Bearer the-app's-own", "data: over"]
    bearer = streamed(shop, {"Authorization": f"Bearer {key}"})[1]
    assert bearer[0][1].strip() == "data: begun", "the app never sees it"
    assert streamed(shop, {"Authorization": f"Bearer {key[:-1]}"})[0] == 401

    (row,) = shop.pod.app_keys.all()
    keys.end_key(pod=shop.pod, app="web", name=row.name, by=alice)
    until(lambda: (reconcile.reconcile(), streamed(shop, own)[0] == 401)[1], what="for its end")

    deploy(shop, "mcp", silent=0, mcpKey=False)
    assert streamed(shop)[0] == 200
