"""`crash_loop`: what apps that end again and again take from the machine, and so from their neighbours."""

from __future__ import annotations

import time

from bench import processes
from bench.ground import Ground
from bench.row import Row

LOOPING = 5  # apps
MOST = 5.0  # % of the machine's cores
SETTLED = 10.0  # seconds after a deployment
ENDS = """import http.server, os, threading
threading.Timer(3, lambda: os._exit(3)).start()
http.server.HTTPServer(("", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def measure(ground: Ground) -> Row:
    """The CPU time of everything the platform runs, what has ended included, with the looping apps and before them."""
    ground.fleet()
    rest = used(ground)
    ground.commit("ends", {"main.py": ENDS})
    pods = [ground.pod(f"ends-{number}", "ends", instance=".25x") for number in range(LOOPING)]
    for deployment in [ground.first(pod) for pod in pods]:
        ground.ready(deployment)
    looping = used(ground)
    for pod in pods:
        ground.delete(pod)
    taken = looping - rest
    return Row(
        "crash_loop", "% of the machine", taken, f"< {MOST:.0f} %", taken < MOST,
        details={
            "what loops": f"{LOOPING} apps of {ground.pods + LOOPING} that end 3 s after each start",
            "all of the platform and its apps": f"{rest:.1f} % before, {looping:.1f} % with them",
        },
    )  # fmt: skip


def used(ground: Ground) -> float:
    """% of the machine's cores, over a minute or so: as long as a few restarts take."""
    time.sleep(ground.drained + SETTLED)
    before, began = _total(ground), time.monotonic()
    time.sleep(12 * ground.seconds)
    return (_total(ground) - before) / (time.monotonic() - began) * 100 / processes.CORES


def _total(ground: Ground) -> float:
    return sum(process.cpu + process.reaped for process in processes.of(ground.platform))
