"""`noisy_build`: what the visitors of a live app notice of a build that takes every core it may."""

from __future__ import annotations

import time

from apps.deployments.models import Deployment
from bench.ground import EXAMPLE, PATIENCE, SMALL, Ground
from bench.live_src import source
from bench.load import Constant
from bench.row import Row

RATE = 50  # requests a second, over kept and over new connections, each
TARGET = 2.5  # p99 during the build against rest
BUSY = """import multiprocessing, time

def spin(until):
    while time.monotonic() < until:
        sum(range(10_000))

if __name__ == "__main__":
    workers = [multiprocessing.Process(target=spin, args=(time.monotonic() + {seconds},)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
"""


def measure(ground: Ground) -> Row:
    ground.commit("quiet", source("word-quiet"), like=EXAMPLE)
    live = ground.pod("quiet", "quiet")
    ground.ready(ground.first(live))
    ground.served(live, "word-quiet")
    seconds = 3 * ground.seconds
    noise = {"main.py": SMALL, "busy.py": BUSY.format(seconds=seconds + 20)}
    ground.commit("noise", noise)
    time.sleep(1)
    with Constant(ground.platform.port, f"{live.name}.localhost", RATE) as rest:
        time.sleep(seconds)
    build = {"buildCommand": "python busy.py"}
    deployment = ground.first(ground.pod("noise", "noise", build=build))
    until_building(deployment)
    with Constant(ground.platform.port, f"{live.name}.localhost", RATE) as load:
        time.sleep(seconds)
    ground.ready(deployment)
    slow, still = load.seen["p99"], rest.seen["p99"]
    return Row(
        "noisy_build", "ms", slow * 1000, f"≤ {TARGET}×, none failed",
        slow <= TARGET * still and load.seen["failed"] == 0, still * 1000, "p99 while nothing is built",
        details={
            "p50": f"{load.seen['p50'] * 1000:.1f} ms, at rest {rest.seen['p50'] * 1000:.1f} ms",
            "requests": f"{load.seen['answered']} answered, {load.seen['failed']} failed",
            "failures": "; ".join(load.seen["failures"]) or "none",
            "the build": "four processes that do nothing but reckon",
        },
    )  # fmt: skip


def until_building(deployment: Deployment) -> None:
    deadline = time.monotonic() + PATIENCE
    while not deployment.stages.filter(stage="build", state="running").exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{deployment} is not being built")
        time.sleep(0.05)
