"""Cloudflare's API as documented, over a real socket. What it knows of zones is for whoever serves it to say."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, Any], dict[str, str]]
"""Status, body and headers."""
Reply = Callable[[str, str, dict[str, str], Any], Answer]
"""Of method, path, query and what was sent."""


def done(result: Any) -> Answer:
    return 200, {"success": True, "errors": [], "messages": [], "result": result}, {}


def refused(message: str, status: int = 403, headers: dict[str, str] | None = None) -> Answer:
    return status, {"success": False, "errors": [{"code": 1000, "message": message}], "result": None}, headers or {}


@contextmanager
def answering(token: str, reply: Reply) -> Iterator[str]:
    """Its address. Whoever has not `token` is refused without asking `reply`."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            if self.headers["Authorization"] == f"Bearer {token}":
                query = dict(urllib.parse.parse_qsl(parts.query))
                status, said, headers = reply(self.command, parts.path, query, sent)
            else:
                status, said, headers = refused("Invalid API Token")
            body = json.dumps(said).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_: Any) -> None:
            """Tests read other things."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[int]:
    """Its port, for as long as the block lasts."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
