"""`rollback`: from asking for an earlier revision to its content, of a Flask app and of a static site."""

from __future__ import annotations

import tempfile
import time
from itertools import cycle
from pathlib import Path
from statistics import median

from apps.deployments.models import Deployment
from apps.pods.models import Pod
from bench.by_hand import Hand
from bench.ground import EXAMPLE, Ground, stages
from bench.live_src import source
from bench.row import Row, take_turns

TARGET = 1.5
STATIC = 0.020  # seconds


def two_versions(ground: Ground, name: str, files: list[dict[str, str]], like: Path | None, **app: object) -> Pod:
    """A pod live at its second revision, with the first to go back to."""
    ground.commit(name, files[0], like=like)
    pod = ground.pod(name, name, **app)
    ground.ready(ground.first(pod))
    ground.ready(ground.push(pod, ground.commit(name, files[1], like=like)))
    return pod


class Turns:
    """Goes back and forth between the first two revisions of `pod`, which answer word-1 and word-2."""

    def __init__(self, ground: Ground, pod: Pod) -> None:
        self.ground, self.pod = ground, pod
        self.deployments: list[Deployment] = []
        self._versions = cycle((1, 2))

    def next(self) -> float:
        """Seconds to the other one's content."""
        version = next(self._versions)
        revision = self.pod.revisions.get(version=version)
        began = time.monotonic()
        self.deployments.append(self.ground.back(self.pod, revision))
        self.ground.served(self.pod, f"word-{version}")
        seconds = time.monotonic() - began
        self.ground.ready(self.deployments[-1])
        return seconds


def measure(ground: Ground) -> Row:
    app = Turns(ground, two_versions(ground, "rollback", [source("word-1"), source("word-2")], EXAMPLE))
    pages = [{"index.html": f"<p>{word}</p>"} for word in ("word-1", "word-2")]
    static = Turns(ground, two_versions(ground, "rollback-static", pages, None, type="static"))
    with tempfile.TemporaryDirectory(prefix="bp-b-") as work:
        hand = Hand(ground.repository("rollback"), Path(work))
        hand.prepare()
        pair = take_turns(ground.rounds, app.next, lambda: hand.start("word-2"))
    still = [static.next() for _ in range(ground.rounds)]
    seconds, start = pair.medians
    return Row(
        "rollback", "s", seconds, f"≤ {TARGET}×; static ≤ {STATIC * 1000:.0f} ms",
        seconds <= TARGET * start and median(still) <= STATIC, start, "starting the process",
        {**pair.samples(), "static": still}, stages(app.deployments, pair.product),
        {"a static site": f"{median(still) * 1000:.0f} ms to its earlier content"},
    )  # fmt: skip
