"""Small specs and waits that the engine tests are written with."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apps.engines.base import Engine, Finished, Handle, LaunchSpec, RunSpec, State

PATIENCE = 45.0  # seconds
SERVER = """
import os, socket, sys, threading
listener = socket.create_server((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])), backlog=512)
print("listening", flush=True)
def serve(connection):
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

# One waits to be let in, the kernel drops the others; each line written to the pipe lets one in.
SHY = """
import os, socket
os.mkfifo("/tmp/gate")
listener = socket.create_server((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])), backlog=0)
with open("/tmp/gate", "r+b", buffering=0) as gate:
    while gate.readline():
        with listener.accept()[0] as connection:
            while data := connection.recv(65536):
                connection.sendall(data)
"""


def name(prefix: str = "w") -> str:
    return f"{prefix}-{uuid.uuid4()}"


def shell(text: str, **fields: Any) -> RunSpec:
    given = {"id": name("run"), "pod": "pod-a", "command": ("sh", "-c", text), "env": {}} | fields
    return RunSpec(**given)


def worker(text: str, **fields: Any) -> LaunchSpec:
    given = {"id": name(), "pod": "pod-a", "command": ("sh", "-c", text), "env": {}, "grace": 1.0} | fields
    return LaunchSpec(**given)


def echo_server(**fields: Any) -> LaunchSpec:
    given = {"id": name("echo"), "pod": "pod-a", "command": ("python3", "-c", SERVER), "env": {}, "port": 8080}
    return LaunchSpec(**given | {"grace": 1.0} | fields)


def shy_server(**fields: Any) -> LaunchSpec:
    """Lets nobody in; `let_in` has it serve one, until that one has closed."""
    return echo_server(command=("python3", "-c", SHY), **fields)


def let_in(engine: Engine, handle: Handle) -> None:
    assert engine.exec(handle, ("sh", "-c", "echo > /tmp/gate"), timeout=PATIENCE)[0] == 0


def run(engine: Engine, spec: RunSpec, timeout: float = PATIENCE) -> tuple[Finished, list[str]]:
    lines: list[str] = []
    finished = engine.run_once(spec, on_line=lines.append, timeout=timeout, cancelled=lambda: False)
    return finished, lines


def until(condition: Callable[[], Any], what: str, *, seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
    return value


def texts(engine: Engine, handle: Handle) -> list[str]:
    return [line.text for line in engine.logs(handle) if line.stream != "engine"]


def running(engine: Engine, handle: Handle) -> None:
    until(lambda: engine.status(handle).state == State.RUNNING, "a running workload")


def connect(handle: Handle) -> socket.socket:
    address = handle["address"]
    if not address.startswith("unix:"):
        host, _, port = address.rpartition(":")
        return socket.create_connection((host, int(port)), PATIENCE)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(PATIENCE)
    sock.connect(address.removeprefix("unix:"))
    return sock


def echoes(handle: Handle, data: bytes = b"hello") -> bool:
    """Whether what listens there sends `data` back."""
    try:
        with connect(handle) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            got = b"".join(iter(lambda: sock.recv(65536), b""))
    except OSError:
        return False
    return got == data


def processes(*words: str) -> list[Path]:
    """/proc directories of the processes of this host that have all `words` in their argument list."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            have = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if all(os.fsencode(word) in have for word in words):
            found.append(entry)
    return found
