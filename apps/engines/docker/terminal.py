"""A terminal in a container: `docker exec -it` by the API.

The daemon leaves what was started to itself when the connection ends, so the end is another command beside it.
"""

from __future__ import annotations

import contextlib
import select
import ssl
import threading
from typing import Any

from docker.errors import APIError

from apps.core.errors import PlatformError
from apps.engines import terminals
from apps.engines.base import Size
from apps.engines.docker import inside
from apps.engines.docker.daemon import AWAY, Daemon

CHUNK = 65536
ENDING = 15.0  # seconds the command that ends a terminal may take
NOT_READY = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class DockerTerminal:
    """Implements apps.engines.base.Terminal."""

    def __init__(self, daemon: Daemon, container: str, command: tuple[str, ...], *, name: str, size: Size) -> None:
        self._daemon, self._container, self._name = daemon, container, name
        self._using = threading.Lock()
        self._over = self._closed = False
        with daemon.asking() as api:
            self._exec = api.exec_create(
                container, list(command), stdin=True, tty=True, environment=terminals.variables(name)
            )["Id"]
            self._stream = api.exec_start(self._exec, tty=True, socket=True)
        self._sock: Any = getattr(self._stream, "_sock", self._stream)
        self._sock.setblocking(False)
        self.resize(size)

    def read(self, wait: float) -> bytes | None:
        if not self._over and not self._pending() and not self._ready(select.POLLIN, wait):
            return None if self._over else b""
        with self._using:
            if self._over:
                return None
            try:
                data: bytes = self._sock.recv(CHUNK)
            except NOT_READY:
                return b""
            except OSError:
                data = b""
            self._over = not data
            return data or None

    def _pending(self) -> bool:
        return bool(getattr(self._sock, "pending", lambda: 0)())

    def _ready(self, event: int, wait: float) -> bool:
        poll = select.poll()
        poll.register(self._sock.fileno(), event)
        return bool(poll.poll(wait * 1000))

    def write(self, data: bytes, wait: float) -> int:
        if not self._over and not self._ready(select.POLLOUT, wait):
            return 0
        with self._using:
            if self._over:
                return len(data)
            try:
                return int(self._sock.send(data[:CHUNK]))
            except NOT_READY:
                return 0
            except OSError:
                return len(data)

    def resize(self, size: Size) -> None:
        """One that is over has no size."""
        with contextlib.suppress(APIError, *AWAY):
            self._daemon.api.exec_resize(self._exec, height=size.rows, width=size.columns)

    def exit_code(self) -> int | None:
        with contextlib.suppress(PlatformError), self._daemon.asking() as api:
            code: int | None = api.exec_inspect(self._exec)["ExitCode"]
            return code
        return None

    def close(self) -> None:
        with self._using:
            if self._closed:
                return
            self._over = self._closed = True
            self._stream.close()
            self._sock.close()
        with contextlib.suppress(PlatformError):
            inside.run(self._daemon, self._container, terminals.ending(self._name), ENDING)
