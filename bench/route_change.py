"""`route_change`: a route more → its first 200, with 10, 100, 1,000 and 5,000 routes there already."""

from __future__ import annotations

import time
from statistics import median

from apps.edge.base import EdgeState, Rule, Site
from bench.ground import Ground
from bench.row import Row
from tests.edge.conftest import Stand, prepared

NUMBERS = (10, 100, 1000, 5000)
TARGET = 1.2


def measure(ground: Ground) -> Row:
    ground.stop()
    with prepared() as stand:
        stand.start()
        address = stand.upstream().address
        samples = {str(number): _samples(stand, address, number, ground.rounds) for number in NUMBERS}
    least, most = (median(samples[str(number)]) for number in (NUMBERS[0], NUMBERS[-1]))
    shown = {f"{number} routes": f"{median(values) * 1000:.0f} ms" for number, values in samples.items()}
    return Row(
        "route_change", "s", most, f"≤ {TARGET}×", most <= TARGET * least, least, f"with {NUMBERS[0]} routes",
        samples, details=shown,
    )  # fmt: skip


def _samples(stand: Stand, address: str, number: int, rounds: int) -> list[float]:
    def sites() -> tuple[Site, ...]:  # values of their own each time, as they are read from the database
        return tuple(_site(f"s{one}.test", address) for one in range(number))

    stand.edge.apply(lambda: EdgeState(sites()))
    found = []
    for turn in range(rounds):
        state = EdgeState((*sites(), _site(f"new{turn}.test", address)))
        began = time.monotonic()
        stand.edge.apply(lambda state=state: state)  # type: ignore[misc]
        if stand.ask(f"new{turn}.test").status_code != 200:
            raise RuntimeError("the new route does not answer")
        found.append(time.monotonic() - began)
        stand.edge.apply(lambda: EdgeState(sites()))
        stand.edge.settle(30)
    return found


def _site(host: str, address: str) -> Site:
    name = host.removesuffix(".test")
    rule = Rule("/", upstreams=(address,), app=f"{name}/web", key=f"{name}:site:/")
    return Site(host, rules=(rule,), route=f"{name}/site")
