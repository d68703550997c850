"""`log_burst`: 50,000 lines to 20 viewers at once, against the bare stream without numbers, rights or storage."""

from __future__ import annotations

import subprocess
import sys
import time

import redis
from django.conf import settings

from apps.core.ids import new_id
from apps.core.masking import Mask
from apps.logs.lines import Line, encode
from apps.logs.writer import LogWriter
from bench.ground import Ground
from bench.row import Row, take_turns
from bench.watching import Watching, log_of_its_own

TARGET = 0.7
LINES, VIEWERS, BATCH = 50_000, 20, 700  # lines of a batch: about the 64 KiB of a writer's


def text(number: int) -> str:
    return f"{time.monotonic_ns()} Compiling module {number} of the frontend, with words to be of a usual length"


def measure(ground: Ground) -> Row:
    pair = take_turns(min(3, ground.rounds), lambda: _product(ground), _raw)
    rate, raw = pair.medians
    return Row(
        "log_burst", "lines/s", rate, f"≥ {TARGET}×, nothing lost, in order", rate >= TARGET * raw, raw,
        "raw stream fan-out", pair.samples(),
        details={"what": f"{LINES} lines, each to {VIEWERS} viewers; every one checked to have come, once, in order"},
    )  # fmt: skip


def _product(ground: Ground) -> float:
    """Lines a second, from the first written to the last seen by all."""
    stream = log_of_its_own(ground, "log-burst")
    with (
        LogWriter.open(stream, mask=Mask(["a-secret-that-is-masked"])) as writer,
        Watching(ground, stream, count=VIEWERS, last=LINES) as viewers,
    ):
        began = time.monotonic()
        for number in range(LINES):
            writer.line(text(number))
    return _rate(viewers, began)


def _raw() -> float:
    stream = f"bench:{new_id()}"
    command = [sys.executable, "-m", "bench.fanout", settings.VALKEY_URL, stream]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    valkey = redis.Redis.from_url(settings.VALKEY_URL, protocol=2)
    try:
        assert server.stdout is not None
        with Watching.raw(int(server.stdout.readline()), count=VIEWERS, last=LINES) as viewers:
            began = time.monotonic()
            for first in range(1, LINES + 1, BATCH):
                numbers = range(first, min(first + BATCH, LINES + 1))
                lines = [Line(number, time.time_ns() // 1_000_000, "build", "info", text(number)) for number in numbers]
                valkey.xadd(stream, {"d": encode(lines)})
    finally:
        server.kill()
        server.wait()
        valkey.delete(stream)
    return _rate(viewers, began)


def _rate(viewers: Watching, began: float) -> float:
    if not viewers.seen["ordered"]:
        raise RuntimeError("lines were lost or came out of order")
    return LINES / (viewers.seen["done"] - began)
