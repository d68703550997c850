"""A small real app on a unix socket: it says who it is and what it was asked."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from websockets.sync.server import ServerConnection, unix_serve


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.path == "/events":
            self._events()
            return
        if self.path == "/hang":
            self.server.go_on.wait(60)
        said = {
            "name": self.server.name,
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": len(body),
        }
        answer = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Cache-Control", "private, max-age=7")
        self.send_header("X-Accel-Redirect", "/@edge/502.html")
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_PUT = do_HEAD = do_GET

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"data: first\n\n")
        self.server.go_on.wait(60)
        self.wfile.write(b"data: second\n\n")

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *args: Any) -> None: ...


class Upstream(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens on `path` from the start; `stop` lets the requests it has finish."""

    request_queue_size = 512

    def __init__(self, path: Path, name: str = "app") -> None:
        self.name = name
        self.path = path
        self.go_on = threading.Event()
        super().__init__(str(path), Handler)
        os.chmod(path, 0o666)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"unix:{self.path}"

    def stop(self) -> None:
        self.go_on.set()
        self.shutdown()
        self.server_close()
        self._thread.join(30)
        self.path.unlink(missing_ok=True)


class SocketApp:
    """A websocket server on a unix socket that answers each message with itself and the path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._server = unix_serve(self._echo, str(path))
        os.chmod(path, 0o666)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _echo(self, connection: ServerConnection) -> None:
        for message in connection:
            connection.send(f"{connection.request.path if connection.request else ''} {message!r}")

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(30)
        self.path.unlink(missing_ok=True)
