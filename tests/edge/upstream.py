"""A small real app on a unix socket: it says who it is and what it was asked."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from websockets.sync.server import ServerConnection, serve, unix_serve


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream | Far

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.path == "/events":
            self._events()
            return
        if self.headers.get("Content-Type", "").startswith("application/grpc-web"):
            self._echo(body)
            return
        if self.path == "/hang":
            self.server.waiting.add(id(self))
            self.server.go_on.wait(60)
            self.server.waiting.discard(id(self))
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
        headers = {"Cache-Control": "private, max-age=7", "X-Accel-Redirect": "/@edge/502.html"}
        for name, value in (headers | self.server.extra()).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_PUT = do_HEAD = do_GET

    def _echo(self, body: bytes) -> None:
        """As gRPC-web answers: binary frames, the last of them the trailers."""
        self.send_response(200)
        self.send_header("Content-Type", self.headers["Content-Type"])
        self.end_headers()
        self.wfile.write(body + b"\x80\x00\x00\x00\x0fgrpc-status:0\r\n")
        self.close_connection = True

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
        self.waiting: set[int] = set()  # requests that hang
        self.go_on = threading.Event()
        self.extra: Callable[[], dict[str, str]] = dict  # headers of an answer, asked for each
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


class Far(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """The same behind an address, `host` of this machine's loopback; `dies`: it takes a request and answers nothing."""

    request_queue_size = 512
    allow_reuse_address = True

    def __init__(self, name: str = "app", host: str = "127.0.0.1", *, dies: bool = False) -> None:
        self.name = name
        self.asked = 0
        self.waiting: set[int] = set()
        self.go_on = threading.Event()
        self.extra: Callable[[], dict[str, str]] = dict
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), Dying if dies else Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        host, port = self.server_address[:2]
        return f"[{host}]:{port}" if self.address_family == socket.AF_INET6 else f"{host}:{port}"

    def stop(self) -> None:
        self.go_on.set()
        self.shutdown()
        self.server_close()
        self._thread.join(30)


class Dying(socketserver.StreamRequestHandler):
    server: Far

    def handle(self) -> None:
        self.rfile.readline()
        self.server.asked += 1


class SocketApp:
    """A websocket server that answers each message with itself and the path; on a unix socket, or at an address."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is None:
            self._server = serve(self._echo, "127.0.0.1", 0)
        else:
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
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    @property
    def address(self) -> str:
        host, port = self._server.socket.getsockname()[:2]
        return f"{host}:{port}"
