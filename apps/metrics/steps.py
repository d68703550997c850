"""The lengths of buckets, and which are kept how long. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from apps.edge.access_log import Served
from apps.metrics.sums import Sums

FINE, MIDDLE, COARSE = 15, 300, 3600  # seconds
EVER = 0  # one bucket for everything since the app was first seen
KEPT = {FINE: 6 * 3600, MIDDLE: 7 * 86400, COARSE: 90 * 86400}
"""Step → seconds. Pages show at most that far back."""


ROUTES = "/routes"


def routes_of(pod: str) -> str:
    """What buckets of the pod's routes have as their pod: a request is counted twice, for its app and for its route."""
    return f"{pod}{ROUTES}"


@dataclass(frozen=True, slots=True)
class Key:
    """Which bucket: `start` is in seconds of the epoch. The platform's own, with an empty pod, says when it looked.

    Of a route: `pod` is `routes_of` its pod, `app` the name of the route.
    """

    pod: str
    app: str
    step: int
    start: int


def start_of(at: float, step: int) -> int:
    return int(at // step) * step if step else 0


class Batch:
    """What was counted and not written yet: each thing once in a bucket of every length.

    So nothing is rolled up later: a line that comes late, or after a restart, is in all of them or in none.
    """

    def __init__(self) -> None:
        self.fine: dict[Key, Sums] = {}

    def at(self, pod: str, app: str, moment: float) -> Sums:
        """What is counted of `app` around `moment`."""
        return self.fine.setdefault(Key(pod, app, FINE, start_of(moment, FINE)), Sums())

    def count(self, served: Served, moment: float) -> None:
        if served.app:
            self.at(served.pod, served.app, moment).count(served)
        if served.route:
            self.at(routes_of(served.pod), served.route, moment).count(served)

    def buckets(self) -> dict[Key, Sums]:
        found: dict[Key, Sums] = {}
        for key, sums in self.fine.items():
            for step in (FINE, MIDDLE, COARSE, EVER):
                found.setdefault(Key(key.pod, key.app, step, start_of(key.start, step)), Sums()).add(sums)
        return found
