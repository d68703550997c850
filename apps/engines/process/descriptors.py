"""The agent's side of the keeper: put descriptors away, get them back, start the keeper when there is none."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apps.core.errors import Unavailable
from apps.engines.process.keeper import DESCRIPTORS, PACKET

PATIENCE = 20.0  # seconds a keeper may take to start


class Descriptors:
    """Calls are local and answered at once, so they block. Raises Unavailable when the keeper cannot be had."""

    def __init__(self, path: Path, *, log: Path, umbrella: bool) -> None:
        self._path = path
        self._log = log
        self._umbrella = umbrella
        self._umbrella_fd: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.connection: socket.socket | None = None

    def connect(self) -> None:
        """Reach the keeper that runs, or start one."""
        self.close()
        if self._try():
            return
        self._start()
        deadline = time.monotonic() + PATIENCE
        while not self._try():
            if time.monotonic() > deadline:
                raise Unavailable("engine_keeper", "The engine's keeper process does not start.")
            time.sleep(0.01)

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def umbrella(self) -> int | None:
        """A descriptor of the user namespace sandboxes are made beneath; None when there is none."""
        return self._umbrella_fd

    def put(self, workload: str, fds: Mapping[str, int]) -> None:
        self._ask({"op": "put", "id": workload, "names": list(fds)}, list(fds.values()))

    def get(self, workload: str) -> dict[str, int]:
        answer, fds = self._ask({"op": "get", "id": workload})
        return dict(zip(answer["names"], fds, strict=True))

    def workloads(self) -> list[str]:
        answer, _ = self._ask({"op": "list"})
        return list(answer["ids"])

    def forget(self, workload: str, name: str) -> None:
        self._ask({"op": "forget", "id": workload, "name": name})

    def drop(self, workload: str) -> None:
        self._ask({"op": "drop", "id": workload})

    def forward(self, workload: str, port: int, name: str = "") -> None:
        self._ask({"op": "forward", "id": workload, "port": port, "name": name})

    def reach(self, workload: str, ways: list[dict[str, Any]]) -> None:
        """Open these of the workload's, in the network namespace put as `netns` if there is one, and close others."""
        self._ask({"op": "reach", "id": workload, "ways": ways})

    def connections(self, workload: str) -> int:
        """How many are open to the workload's port now."""
        answer, _ = self._ask({"op": "count", "id": workload})
        return int(answer["open"])

    def listen(self, workload: str, port: int) -> int:
        """A listening socket at 127.0.0.1:`port` of the network namespace put as `netns`."""
        _, fds = self._ask({"op": "listen", "id": workload, "port": port})
        (listener,) = fds
        return listener

    def quit(self) -> None:
        with contextlib.suppress(Unavailable):
            self._ask({"op": "quit"})
        if self._process is not None:
            self._process.wait(10)

    def _ask(self, request: dict[str, Any], fds: list[int] | None = None) -> tuple[dict[str, Any], list[int]]:
        if self.connection is None:
            raise Unavailable("engine_keeper", "The engine's keeper process is away.")
        try:
            socket.send_fds(self.connection, [json.dumps(request).encode()], fds or [])
            data, given, _, _ = socket.recv_fds(self.connection, PACKET, DESCRIPTORS)
        except OSError as error:
            raise Unavailable("engine_keeper", f"The engine's keeper process is away: {error}.") from error
        if not data:
            raise Unavailable("engine_keeper", "The engine's keeper process has gone.")
        answer = json.loads(data)
        if "error" in answer:
            raise Unavailable("engine_keeper", f"The engine's keeper process: {answer['error']}.")
        return answer, given

    def _try(self) -> bool:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(10)
        try:
            connection.connect(str(self._path))
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            self.connection = connection
            self._ask({"op": "list"})
        except (OSError, Unavailable):
            self.connection = None
            connection.close()
            return False
        pid = int.from_bytes(credentials[:4], sys.byteorder)
        if self._umbrella and self._umbrella_fd is None:
            with contextlib.suppress(OSError):
                self._umbrella_fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
                if os.stat(self._umbrella_fd).st_ino == os.stat("/proc/self/ns/user").st_ino:
                    os.close(self._umbrella_fd)
                    self._umbrella_fd = None
        return True

    def _start(self) -> None:
        command = [sys.executable, "-m", "apps.engines.process.keeper", "--socket", str(self._path)]
        inherited: tuple[int, ...] = ()
        if self._umbrella_fd is not None:
            command += ["--umbrella", "inherited", "--umbrella-fd", str(self._umbrella_fd)]
            inherited = (self._umbrella_fd,)
        elif self._umbrella:
            command += ["--umbrella", "new"]
        root = Path(__file__).resolve().parents[3]
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=inherited,
            )
