"""`log_live`: from writing a line to having it in the browser, at 100 lines a second, through nginx."""

from __future__ import annotations

import time

from apps.core.masking import Mask
from apps.deployments.models import Workload
from apps.logs.writer import LogWriter
from bench.ground import Ground
from bench.row import Row, quantile
from bench.watching import Watching, log_of_its_own

TARGET = 0.1  # seconds
RATE = 100  # lines a second
TALKING = """import http.server, os, threading, time


def talk():
    began, number = time.monotonic(), 0
    while True:
        number += 1
        print(time.monotonic_ns(), "a line of an app that talks", number, flush=True)
        time.sleep(max(0, began + number / 100 - time.monotonic()))


threading.Thread(target=talk, daemon=True).start()
http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def measure(ground: Ground) -> Row:
    written = [_written(ground) for _ in range(ground.rounds)]
    apps = _of_an_app(ground)
    worst = sorted(written)[len(written) // 2]
    return Row(
        "log_live", "s, p99", worst, f"≤ {TARGET * 1000:.0f} ms", worst <= TARGET, None, "", {"product": written},
        details={
            "what": "a build's line → browser; batches of 50 ms are part of it",
            "a running app's line → browser, p99": f"{apps * 1000:.0f} ms",
        },
    )  # fmt: skip


def _written(ground: Ground) -> float:
    """p99 of the lines a stage writes."""
    stream = log_of_its_own(ground, "log-live")
    lines = int(RATE * ground.seconds)
    with (
        LogWriter.open(stream, mask=Mask(["a-secret-that-is-masked"])) as writer,
        Watching(ground, stream, count=1, last=lines) as viewers,
    ):
        began = time.monotonic()
        for number in range(lines):
            writer.line(f"{time.monotonic_ns()} a line of a build that talks {number}")
            time.sleep(max(0.0, began + (number + 1) / RATE - time.monotonic()))
    _check(viewers)
    return quantile(viewers.seen["delays"], 0.99)


def _of_an_app(ground: Ground) -> float:
    """p99 of what an app prints: through its sandbox, the engine and the collector as well."""
    ground.commit("talking", {"main.py": TALKING})
    pod = ground.pod("talking", "talking")
    deployment = ground.ready(ground.first(pod))
    workload = Workload.objects.get(deployment=deployment)
    try:
        lines = int(RATE * ground.seconds)
        with Watching(ground, workload.stream, count=1, last=lines * 2) as viewers:
            pass  # what it printed before is read from storage; the second half comes as it is printed
        _check(viewers)
        return quantile(viewers.seen["delays"][-lines:], 0.99)
    finally:
        ground.delete(pod)


def _check(viewers: Watching) -> None:
    if not viewers.seen["ordered"]:
        raise RuntimeError("lines were lost or came out of order")
