"""A terminal in an allocation: `nomad alloc exec -t` by the API.

What a terminal left behind is ended by another command beside it: Nomad hangs up, which not everything heeds.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from typing import Any

from websockets.exceptions import ConnectionClosed

from apps.core.errors import PlatformError
from apps.engines import terminals
from apps.engines.base import Size
from apps.engines.nomad import inside
from apps.engines.nomad.server import Server

CHUNK = 16384
ENDING = 15.0  # seconds the command that ends a terminal may take


class NomadTerminal:
    """Implements apps.engines.base.Terminal."""

    def __init__(self, server: Server, allocation: str, command: tuple[str, ...], *, name: str, size: Size) -> None:
        self._server, self._allocation, self._name = server, allocation, name
        self._closing = threading.Lock()
        self._over = self._closed = False
        self._code: int | None = None
        self._held = contextlib.ExitStack()
        self._connection = self._held.enter_context(inside.opened(server, allocation, command, tty=True))
        self.resize(size)

    def read(self, wait: float) -> bytes | None:
        if self._over:
            return None
        try:
            message: dict[str, Any] = json.loads(self._connection.recv(wait))
        except TimeoutError:
            return b""
        except (ConnectionClosed, OSError):
            self._over = True
            return None
        if message.get("exited"):
            self._code = int((message.get("result") or {}).get("exit_code") or 0)
            self._over = True
            return None
        return b"".join(base64.b64decode((message.get(one) or {}).get("data") or "") for one in ("stdout", "stderr"))

    def write(self, data: bytes, wait: float) -> int:
        part = data[:CHUNK]
        self._send({"stdin": {"data": base64.b64encode(part).decode()}})
        return len(data) if self._over else len(part)

    def resize(self, size: Size) -> None:
        self._send({"tty_size": {"height": size.rows, "width": size.columns}})

    def _send(self, message: dict[str, Any]) -> None:
        if not self._over:
            with contextlib.suppress(ConnectionClosed, OSError):
                self._connection.send(json.dumps(message))

    def exit_code(self) -> int | None:
        return self._code

    def close(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._over = self._closed = True
        self._held.close()
        with contextlib.suppress(PlatformError):
            inside.run(self._server, self._allocation, terminals.ending(self._name), ENDING)
