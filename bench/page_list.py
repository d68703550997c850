"""`page_list`: the dashboard's list of pods, requests a second at 16 at once, through nginx.

The limit is the ceiling of design: a list of as many rows by Jinja2 and one `values_list`, under the same gunicorn
with the same arguments, asked without nginx; see ceiling.py. The details have the same bytes from memory as well.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from apps.infrastructure.embedded import services
from apps.infrastructure.embedded.process import dies_with_parent
from bench import load
from bench.ground import Ground
from bench.row import Row
from tests.stack.components import wait_for

TARGET = 0.6
SLOWEST = 0.05  # seconds, p99
CLIENTS = 16


def measure(ground: Ground) -> Row:
    ground.fleet()
    cookie = ground.cookie()

    def ask(address: str | int) -> load.Full:
        asked = load.full(address, "localhost", "/", cookie=cookie, clients=CLIENTS, seconds=ground.seconds)
        return asyncio.run(asked)

    page = ask(ground.platform.port)  # and every process has its templates
    run = ground.platform.state / "run"
    seen: dict[str, list[load.Full]] = {"page": [], "list_page": [], "same_bytes": [], "without nginx": []}
    with _served(run, "list_page") as rows, _served(run, "same_bytes", page.size) as bare:
        places = {
            "page": ground.platform.port,
            "list_page": rows,
            "same_bytes": bare,
            "without nginx": run / "pages.sock",
        }
        for number in range(ground.rounds):
            for name in sorted(places, reverse=number % 2 == 1):
                address = places[name]
                seen[name].append(ask(address if isinstance(address, int) else str(address)))
    rates = {name: median(one.rate for one in found) for name, found in seen.items()}
    slow = median(one.slow for one in seen["page"])
    met = rates["page"] >= TARGET * rates["list_page"] and slow <= SLOWEST
    return Row(
        "page_list", "pages/s", rates["page"], f"≥ {TARGET}×; p99 ≤ {SLOWEST * 1000:.0f} ms", met, rates["list_page"],
        "bare Jinja2 list, same gunicorn",
        {name: [one.rate for one in found] for name, found in seen.items()},
        details={
            "the page": f"{ground.pods} pods, {page.size / 1000:.0f} kB, p99 {slow * 1000:.0f} ms at {CLIENTS} at once",
            "without nginx": f"{rates['without nginx']:.0f} pages/s",
            "as many bytes from memory, same gunicorn": f"{rates['same_bytes']:.0f} pages/s",
        },
    )  # fmt: skip


@contextmanager
def _served(run: Path, name: str, size: int = 0) -> Iterator[Path]:
    """The gunicorn of the dashboard, serving a limit on a socket of its own."""
    socket = run / f"bench-{name}.sock"
    words = {"brainpod.wsgi:application": f"bench.ceiling:{name}", f"unix:{run / 'pages.sock'}": f"unix:{socket}"}
    command = [words.get(word, word) for word in services.named("pages").command()]
    process = subprocess.Popen(
        command, env={**os.environ, "BENCH_BYTES": str(size)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=dies_with_parent(),
    )  # fmt: skip
    try:
        wait_for(socket.is_socket, 60, f"gunicorn with {name}")
        yield socket
    finally:
        process.terminate()
        process.wait(30)
        socket.unlink(missing_ok=True)
