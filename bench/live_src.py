"""`live_src`: from a commit to its content, where only the source of a small Flask app changed."""

from __future__ import annotations

import tempfile
import time
from itertools import count
from pathlib import Path

from apps.deployments.models import Deployment
from bench.by_hand import Hand
from bench.ground import EXAMPLE, Ground, stages
from bench.row import Row, take_turns

TARGET = 2.5


def source(word: str) -> dict[str, str]:
    """The example app with another source: `word` is what it answers."""
    text = (EXAMPLE / "app.py").read_text()
    return {"app.py": text + f'\n\n@app.get("/word")\ndef word():\n    return "{word}"\n', "templates/index.html": word}


def measure(ground: Ground) -> Row:
    numbers = count()
    ground.commit("live-src", source("word-first"), like=EXAMPLE)
    pod = ground.pod("live-src", "live-src")
    ground.ready(ground.first(pod))
    deployments: list[Deployment] = []

    with tempfile.TemporaryDirectory(prefix="bp-b-") as work:
        hand = Hand(ground.repository("live-src"), Path(work))
        hand.prepare()

        def product() -> float:
            word = f"word-{next(numbers)}"
            commit = ground.commit("live-src", source(word), like=EXAMPLE)
            began = time.monotonic()
            deployments.append(ground.push(pod, commit))
            ground.served(pod, word)
            seconds = time.monotonic() - began
            ground.ready(deployments[-1])
            return seconds

        def limit() -> float:
            word = f"word-{next(numbers)}"
            ground.commit("live-src", source(word), like=EXAMPLE)
            return hand.warm(word)

        pair = take_turns(ground.rounds, product, limit)
    seconds, by_hand = pair.medians
    return Row(
        "live_src", "s", seconds, f"≤ {TARGET}×", seconds <= TARGET * by_hand, by_hand, "by hand, environment reused",
        pair.samples(), stages(deployments, pair.product),
    )  # fmt: skip
