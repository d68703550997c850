"""`redeploy_drop`: what 200 requests a second see of 20 redeploys, half over kept connections, half over new ones."""

from __future__ import annotations

import time

from apps.pods.models import Pod
from bench.ground import EXAMPLE, Ground
from bench.live_src import source
from bench.load import Constant
from bench.rollback import Turns, two_versions
from bench.row import Row

RATE = 100  # requests a second of each kind
SLOWER = 2.0  # p99 against rest
PAUSE = 0.5  # seconds between two redeploys


def measure(ground: Ground) -> Row:
    return dropped(
        ground, "redeploy_drop", two_versions(ground, "redeploy", [source("word-1"), source("word-2")], EXAMPLE)
    )


def dropped(ground: Ground, name: str, pod: Pod) -> Row:
    """The row `name` for a pod whose first two revisions answer word-1 and word-2."""
    host = f"{pod.name}.localhost"
    turns = Turns(ground, pod)
    turns.next()
    time.sleep(ground.drained)
    with Constant(ground.platform.port, host, RATE) as rest:
        time.sleep(2 * ground.seconds)
    with Constant(ground.platform.port, host, RATE) as load:
        for _ in range(ground.redeploys):
            turns.next()
            time.sleep(PAUSE)
        time.sleep(ground.drained)
    slow, still = load.seen["p99"], rest.seen["p99"]
    failed = load.seen["failed"]
    met = failed == 0 and slow <= SLOWER * still
    return Row(
        name, "failed", failed, f"0; p99 ≤ {SLOWER}× idle", met, None, "0",
        details={
            "requests": f"{load.seen['answered']} answered during {ground.redeploys} redeploys",
            "p99": f"{slow * 1000:.0f} ms, idle {still * 1000:.0f} ms: {slow / still:.1f}×",
            "p50": f"{load.seen['p50'] * 1000:.1f} ms, idle {rest.seen['p50'] * 1000:.1f} ms",
            "failures": "; ".join(load.seen["failures"]) or "none",
        },
    )  # fmt: skip
