"""`live_cold`: from a commit to its content with nothing cached: a new pod has neither layers nor packages."""

from __future__ import annotations

import tempfile
import time
from itertools import count
from pathlib import Path

from apps.deployments.models import Deployment
from bench.by_hand import Hand
from bench.ground import EXAMPLE, Ground, stages
from bench.live_src import source
from bench.row import Row, take_turns

TARGET = 1.6
MOST = 3  # rounds: each downloads its packages twice


def measure(ground: Ground) -> Row:
    numbers = count()
    ground.commit("live-cold", source("word-cold"), like=EXAMPLE)
    deployments: list[Deployment] = []

    def product() -> float:
        pod = ground.pod(f"live-cold-{next(numbers)}", "live-cold")
        began = time.monotonic()
        deployments.append(ground.first(pod))
        ground.served(pod, "word-cold")
        seconds = time.monotonic() - began
        ground.ready(deployments[-1])
        return seconds

    with tempfile.TemporaryDirectory(prefix="bp-b-") as work:
        hand = Hand(ground.repository("live-cold"), Path(work))
        pair = take_turns(min(MOST, ground.rounds), product, lambda: hand.cold("word-cold"))
    seconds, by_hand = pair.medians
    return Row(
        "live_cold", "s", seconds, f"≤ {TARGET}×", seconds <= TARGET * by_hand, by_hand, "by hand with uv, cold",
        pair.samples(), stages(deployments, pair.product),
    )  # fmt: skip
