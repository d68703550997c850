"""`checks`: what the health checks of many apps cost, CPU of the checker alone, all of them healthy and idle."""

from __future__ import annotations

import threading
import time

from apps.deployments import checker
from bench.ground import Ground
from bench.row import Row

MOST = 1.0  # % of a core
BEGUN = 15.0  # seconds until every app has been checked once


def measure(ground: Ground) -> Row:
    """A second checker, in this process, which does nothing else meanwhile: its CPU is the checker's."""
    ground.fleet()
    stop = threading.Event()
    thread = threading.Thread(target=checker.check, args=(stop,), daemon=True)
    thread.start()
    try:
        time.sleep(BEGUN)
        before, began = time.process_time(), time.monotonic()
        time.sleep(6 * ground.seconds)
        used = (time.process_time() - before) / (time.monotonic() - began) * 100
    finally:
        stop.set()
        thread.join(30)
    return Row(
        "checks", "% of a core", used, f"< {MOST:.0f} %", used < MOST,
        details={"apps": f"{ground.pods}, each asked for / every 10 s"},
    )  # fmt: skip
