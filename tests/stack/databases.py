"""Database servers with the scripts that pods' are started with, without an engine around them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apps.infrastructure.embedded import process
from apps.servers.base import DATA, Server
from apps.servers.catalogue import SERVERS
from tests.stack.postgres import _reachable, owner

PASSWORD, ADMIN = "password-of-the-apps", "password-of-the-admin"
ADMINS = {"PostgresDB": "postgres", "MariaDB": "platform", "Valkey": "platform"}


@dataclass(frozen=True)
class Running:
    """`process` leads a group of its own."""

    kind: str
    host: str
    port: int
    process: subprocess.Popen[bytes]

    @property
    def admin(self) -> str:
        return ADMINS[self.kind]


def versions() -> list[tuple[str, str]]:
    """(kind, release line) of everything this machine has."""
    return [(server.kind, line) for server in SERVERS.values() for line in sorted(server.installed())]


@contextmanager
def running(kind: str, version: str = "", *, ready: Callable[[int], object]) -> Iterator[Running]:
    """`ready` is tried with the port until it raises nothing. Without a version: the newest there is."""
    server, who = SERVERS[kind], owner()
    installed = server.installed()
    found = installed[version or max(installed, key=lambda line: [int(part) for part in line.split(".")])]
    home = Path(tempfile.mkdtemp(prefix="bp-db-", dir="/tmp"))
    if who:
        os.chown(home, who["user"], who["group"])
    path = found.path
    if kind == "PostgresDB":
        path = (str(_reachable(Path(found.path[0]), home, who)),)
    port = _free()
    env = {
        "PATH": ":".join((*path, "/usr/bin", "/bin")), "PORT": str(port), "LISTEN": "127.0.0.1", "MEMORY": "256",
        "PASSWORD": PASSWORD, "ADMIN": ADMINS[kind], "ADMIN_PASSWORD": ADMIN, "HOME": str(home), "LC_ALL": "C.UTF-8",
    }  # fmt: skip
    log = (home / "log").open("wb")
    started = subprocess.Popen(
        ["sh", "-c", _script(server, home)], env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=home,
        start_new_session=True, preexec_fn=process.dies_with_parent(signal.SIGTERM), **who,
    )  # fmt: skip
    try:
        _wait(started, lambda: ready(port), home / "log")
        yield Running(kind, "127.0.0.1", port, started)
    finally:
        started.terminate()
        try:
            started.wait(60)
        finally:
            log.close()
            shutil.rmtree(home, ignore_errors=True)


def _script(server: Server, home: Path) -> str:
    return server.script.replace(f"{DATA}/", f"{home}/")


def _free() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _wait(started: subprocess.Popen[bytes], ready: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        assert started.poll() is None, log.read_text(errors="replace")
        try:
            ready()
            return
        except Exception as error:
            if time.monotonic() > deadline:
                raise AssertionError(log.read_text(errors="replace")) from error
            time.sleep(0.1)
