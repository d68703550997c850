"""`log_watchers`: 200 browsers watch one build, through nginx: from writing a line to having it, at 20 a second."""

from __future__ import annotations

import time

from apps.core.masking import Mask
from apps.logs.writer import LogWriter
from bench.ground import Ground
from bench.row import Row, quantile
from bench.watching import Watching, log_of_its_own

TARGET = 0.5  # seconds
VIEWERS, RATE = 200, 20
SETTLING = 5.0  # seconds of lines that are not timed: 200 who come at once are first asked who they are


def measure(ground: Ground) -> Row:
    delays = [_delays(ground) for _ in range(min(3, ground.rounds))]
    slow = sorted(quantile(seen, 0.99) for seen in delays)
    middle = slow[len(slow) // 2]
    every = [delay for seen in delays for delay in seen]
    return Row(
        "log_watchers", "s, p99", middle, f"≤ {TARGET * 1000:.0f} ms", middle <= TARGET, None, "", {"product": slow},
        details={
            "what": f"{VIEWERS} viewers of one log, {RATE} lines a second; every line came to each, once, in order",
            "p50": f"{quantile(every, 0.5) * 1000:.0f} ms, of every tenth viewer",
        },
    )  # fmt: skip


def _delays(ground: Ground) -> list[float]:
    stream, lines = log_of_its_own(ground, "log-watchers"), int(RATE * (SETTLING + ground.seconds))
    with (
        LogWriter.open(stream, mask=Mask(["a-secret-that-is-masked"])) as writer,
        Watching(ground, stream, count=VIEWERS, last=lines) as viewers,
    ):
        began = time.monotonic()
        for number in range(lines):
            timed = time.monotonic_ns() if number > RATE * SETTLING else "untimed"
            writer.line(f"{timed} a line of a build that many watch {number}")
            time.sleep(max(0.0, began + (number + 1) / RATE - time.monotonic()))
    if not viewers.seen["ordered"]:
        raise RuntimeError("lines were lost or came out of order")
    delays: list[float] = viewers.seen["delays"]
    return delays
