"""What certbot's hooks ask for, done by the process that started certbot: it has the credentials, they have none."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

LONGEST = 4096  # bytes of a question
LOOK = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Errand:
    """A TXT record to be `present`, or to `remove`: `record` with `value`."""

    act: Literal["present", "remove"]
    record: str
    value: str


class Errands:
    """A unix socket that hooks ask at, one after the other. With no `path` there is nothing to ask."""

    def __init__(self, path: Path | None, act: Callable[[Errand], None] | None) -> None:
        self.path = path or Path("/nowhere")
        self._act = act
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        if self._act is not None:
            self.path.unlink(missing_ok=True)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.bind(str(self.path))
            self.path.chmod(0o600)
            self._socket.listen()
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()
            self.path.unlink(missing_ok=True)

    def serve(self, done: Callable[[], bool], now: Callable[[], object], seconds: float) -> bool:
        """Do errands until `done`; whether that was within `seconds`, not counting what errands took.

        `now` is called each moment; what it or an errand raises ends this.
        """
        left = seconds
        while not done():
            now()
            began = time.monotonic()
            if left <= 0:
                return False
            if self._socket is None:
                time.sleep(LOOK)
            elif select.select([self._socket], [], [], LOOK)[0]:
                left -= time.monotonic() - began
                self._one(self._socket)
                continue
            left -= time.monotonic() - began
        return True

    def _one(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(10)
            try:
                with connection.makefile("rb") as asked:
                    said = json.loads(asked.readline(LONGEST))
                errand = Errand(said["act"], f"_acme-challenge.{said['domain'].removeprefix('*.')}", said["value"])
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                return
            assert self._act is not None
            self._act(errand)
            try:
                connection.sendall(b"done\n")
            except OSError:
                return  # it was ended meanwhile: `done` says so
