"""The client's end of a terminal: the terminal itself, handed over by the agent, and the connection it lives by."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import termios
import threading
from typing import Any, Protocol

from apps.core.errors import PlatformError
from apps.engines.base import Size

CHUNK = 65536
LAST_WORD = 10.0  # seconds the agent may take to end what is left, and to say how it ended


class Connection(Protocol):
    def fileno(self) -> int: ...
    def receive(self) -> dict[str, Any]: ...
    def ready(self, seconds: float) -> bool: ...
    def buffered(self) -> dict[str, Any] | None: ...
    def hang_up(self) -> None: ...
    def close(self) -> None: ...


class Attached:
    """Implements apps.engines.base.Terminal. The agent ends everything when the connection ends, whatever ends it."""

    def __init__(self, master: int, connection: Connection) -> None:
        self._master = master
        self._connection = connection
        self._reading, self._writing = threading.Lock(), threading.Lock()
        self._over = False
        self._code: int | None = None
        os.set_blocking(master, False)

    def read(self, wait: float) -> bytes | None:
        with self._reading:
            if self._over:
                return None
            poll = select.poll()
            poll.register(self._master, select.POLLIN)
            poll.register(self._connection.fileno(), select.POLLIN)
            ready = dict(poll.poll(wait * 1000))
            if self._master in ready:
                data = self._take()
                if data is not None:
                    return data
            elif not ready:
                return b""
            self._finish()
            return None

    def _take(self) -> bytes | None:
        """None: nobody has it any more (EIO)."""
        try:
            return os.read(self._master, CHUNK)
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def _finish(self) -> None:
        self._over = True
        with contextlib.suppress(PlatformError):
            while (message := self._connection.buffered()) is None:
                if not self._connection.ready(LAST_WORD):
                    return
            self._code = message.get("exited")

    def write(self, data: bytes, wait: float) -> int:
        with self._writing:
            if self._over:
                return len(data)
            poll = select.poll()
            poll.register(self._master, select.POLLOUT)
            if not poll.poll(wait * 1000):
                return 0
            try:
                return os.write(self._master, data[:CHUNK])
            except BlockingIOError:
                return 0
            except OSError:
                return len(data)

    def resize(self, size: Size) -> None:
        with self._writing, contextlib.suppress(OSError):
            if not self._over:
                fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))

    def exit_code(self) -> int | None:
        return self._code

    def close(self) -> None:
        """The agent hears of it at once; who reads or writes just now is waited for."""
        self._connection.hang_up()
        with self._reading, self._writing:
            self._over = True
            if self._master >= 0:
                os.close(self._master)
                self._connection.close()
                self._master = -1
