"""Looking until something is served, as the edge's and the limits' clients alike."""

from __future__ import annotations

import http.client
import socket
import time

EVERY = 0.004  # seconds between two looks


def until(port: int, host: str, text: str, seconds: float, path: str = "/") -> None:
    """Return when 127.0.0.1:`port` answers `host` with `text` in a 200. Raises TimeoutError with the last answer."""
    deadline, seen = time.monotonic() + seconds, "nothing"
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace")
            if answer.status == 200 and text in body:
                return
            seen = f"{answer.status} {body[:200]}"
        except OSError as error:
            seen = repr(error)
        finally:
            connection.close()
        time.sleep(EVERY)
    raise TimeoutError(f"{host} did not answer with {text!r} within {seconds:.0f} s: {seen}")


def answering(address: str, seconds: float) -> None:
    """Return when an instance answers a GET with a 200. `address`: an engine's. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with _connected(address) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
                if b" 200 " in connection.recv(64):
                    return
        except OSError:
            pass
        time.sleep(EVERY)
    raise TimeoutError(f"{address} did not answer within {seconds:.0f} s")


def _connected(address: str) -> socket.socket:
    if address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(10)
        connection.connect(address.removeprefix("unix:"))
        return connection
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=10)
