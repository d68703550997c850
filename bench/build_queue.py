"""`build_queue`: twenty builds on two slots: how long until the last is live, against one after the other by two."""

from __future__ import annotations

import time

from apps.builds.models import BuildRun
from bench.ground import SMALL, Ground
from bench.row import Row

BUILDS = 20
PAUSE = 0.5  # seconds that each build command takes
TARGET = 1.5


def _in_order(order: list[str], asked: list[str], slots: int) -> bool:
    """Those that begin at the same moment may be told in any order."""
    return all(abs(asked.index(name) - place) < slots for place, name in enumerate(order))


def measure(ground: Ground) -> Row:
    """The limit: as many times what one takes by itself, shared by the slots."""
    ground.commit("queued", {"main.py": SMALL})
    build = {"buildCommand": f"sleep {PAUSE}"}
    alone = ground.pod("queued-alone", "queued", instance=".25x", build=build)
    began = time.monotonic()
    ground.ready(ground.first(alone))
    single = time.monotonic() - began
    made = [ground.pod(f"queued-{number}", "queued", instance=".25x", build=build) for number in range(BUILDS)]
    began = time.monotonic()
    deployments = [ground.first(pod) for pod in made]
    for deployment in deployments:
        ground.ready(deployment)
    seconds = time.monotonic() - began
    runs = list(BuildRun.objects.filter(pod__in=made))
    at_once = max(sum(a.started_at <= b.started_at < a.finished_at for a in runs if a.finished_at) for b in runs)
    slots = 2
    begun = [run.pod_name for run in sorted(runs, key=lambda run: run.started_at)]
    in_order = _in_order(begun, [pod.name for pod in made], slots)
    limit = single * BUILDS / slots
    met = seconds <= TARGET * limit and len(runs) == BUILDS and at_once <= slots
    return Row(
        "build_queue", "s", seconds, f"≤ {TARGET}×, each once, never more than {slots} at once", met, limit,
        f"{BUILDS} × one alone / {slots}",
        details={
            "builds": f"{len(runs)} of {BUILDS} deployments, {at_once} at once at most",
            "first come, first served": "yes" if in_order else f"no: {begun}",
            "one alone": f"{single:.2f} s",
        },
    )  # fmt: skip
