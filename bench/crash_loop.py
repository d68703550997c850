"""`crash_loop`: what the visitors of an app notice of its neighbours that end again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from django.utils import timezone

from apps.deployments import lifecycle
from apps.deployments.models import AppEvent, Workload
from apps.pods.models import Pod
from bench import processes
from bench.ground import EXAMPLE, PATIENCE, Ground
from bench.live_src import source
from bench.load import Constant, full
from bench.row import Row

LOOPING = 5  # apps
ROUNDS = 3  # each with them and without
SETTLED = 5.0  # seconds after a change of what runs
MOST = 1.05  # slower than without them
RATE = 50  # requests a second, over kept and over new connections, each
CLIENTS = 4  # that ask as fast as they are answered
ENDS = """import http.server, os, threading
threading.Timer(3, lambda: os._exit(3)).start()
http.server.HTTPServer(("", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """Of the neighbour: `rate` in requests a second at most; `p50` and `p99` in seconds at a constant rate.

    `cpu`: % of the machine's cores that the platform and all apps used at that rate.
    """

    rate: float
    p50: float
    p99: float
    cpu: float
    failed: int


def measure(ground: Ground) -> Row:
    """A turn lasts as long as it takes until each of them was started once more: 3 s of life and 20 s of waiting."""
    ground.commit("neighbour", source("word-neighbour"), like=EXAMPLE)
    live = ground.pod("neighbour", "neighbour")
    ground.ready(ground.first(live))
    ground.served(live, "word-neighbour")
    ground.commit("ends", {"main.py": ENDS})
    pods = [ground.pod(f"ends-{number}", "ends", instance=".25x") for number in range(LOOPING)]
    for deployment in [ground.first(pod) for pod in pods]:
        ground.ready(deployment)
    turns: dict[bool, list[Turn]] = {True: [], False: []}
    loops = True
    for number in range(ROUNDS):
        for wanted in (True, False) if number % 2 == 0 else (False, True):
            if wanted != loops or not turns[True]:
                _have(pods, looping=wanted, already=wanted == loops)
                time.sleep(SETTLED)
            loops = wanted
            turns[wanted].append(_turn(ground, live))
    for pod in (*pods, live):
        ground.delete(pod)
    return _row(turns[True], turns[False])


def _have(pods: list[Pod], *, looping: bool, already: bool) -> None:
    """Start or stop what loops, unless it was `already`, and wait until each has ended once, or is there no more."""
    since = timezone.now()
    for pod in () if already else pods:
        pod.refresh_from_db()
        (lifecycle.start if looping else lifecycle.stop)(pod=pod, app="web", by=None)

    def ended() -> bool:
        told = AppEvent.objects.filter(pod__in=pods, kind="restart")
        seen = told if already else told.filter(at__gt=since)
        return len(set(seen.values_list("pod", flat=True))) == len(pods)

    def gone() -> bool:
        return not Workload.objects.filter(pod__in=pods).exclude(state="stopped").exists()

    _until(ended if looping else gone)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the apps that end are not as they are wanted")
        time.sleep(0.2)


def _turn(ground: Ground, live: Pod) -> Turn:
    host, seconds = f"{live.name}.localhost", 2.4 * ground.seconds
    before, began = _used(ground), time.monotonic()
    with Constant(ground.platform.port, host, RATE) as load:
        time.sleep(seconds)
    cpu = (_used(ground) - before) / (time.monotonic() - began) * 100 / processes.CORES
    most = asyncio.run(full(ground.platform.port, host, "/", cookie="", clients=CLIENTS, seconds=seconds))
    return Turn(most.rate, load.seen["p50"], load.seen["p99"], cpu, load.seen["failed"])


def _used(ground: Ground) -> float:
    return sum(processes.cpu(processes.of(ground.platform)).values())


def _row(looping: list[Turn], without: list[Turn]) -> Row:
    rate, alone = median(turn.rate for turn in looping), median(turn.rate for turn in without)
    p50 = median(turn.p50 for turn in looping), median(turn.p50 for turn in without)
    p99 = median(turn.p99 for turn in looping), median(turn.p99 for turn in without)
    cpu = median(turn.cpu for turn in looping), median(turn.cpu for turn in without)
    failed = sum(turn.failed for turn in (*looping, *without))
    met = rate * MOST >= alone and p50[0] <= MOST * p50[1] and failed == 0
    return Row(
        "crash_loop", "requests/s", rate, f"≥ {1 / MOST:.2f}×; p50 ≤ {MOST}×; none failed", met,
        alone, "without those that crash",
        {"product": [turn.rate for turn in looping], "limit": [turn.rate for turn in without]},
        details={
            "what loops": f"{LOOPING} apps that end 3 s after each start, beside one that is asked",
            f"p50 at {2 * RATE} requests/s": _against(*p50),
            f"p99 at {2 * RATE} requests/s": _against(*p99),
            "requests at that rate": f"{failed} failed",
            "CPU of the platform and its apps at that rate": f"{cpu[1]:.1f} % of the machine, {cpu[0]:.1f} % with them",
        },
    )  # fmt: skip


def _against(looping: float, without: float) -> str:
    return f"{looping * 1000:.1f} ms, without them {without * 1000:.1f} ms: {looping / without:.2f}×"
