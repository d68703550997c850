"""Buckets as the points of a chart. Pure: the caller brings the buckets and the clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.metrics.latency import percentile
from apps.metrics.steps import COARSE, FINE, MIDDLE
from apps.metrics.sums import Sums, total

LATE = 20  # seconds after its end in which a bucket may still grow: nginx writes its lines together


@dataclass(frozen=True, slots=True)
class Range:
    """`seconds` up to now, of buckets `step` long, with a point for every `width` seconds."""

    name: str
    words: str
    seconds: int
    step: int
    width: int


RANGES = {
    one.name: one
    for one in (
        Range("1h", "hour", 3600, FINE, FINE),
        Range("6h", "6 hours", 6 * 3600, FINE, 60),
        Range("24h", "24 hours", 86400, MIDDLE, MIDDLE),
        Range("7d", "7 days", 7 * 86400, MIDDLE, 1800),
        Range("30d", "30 days", 30 * 86400, COARSE, 7200),
    )
}


@dataclass(frozen=True, slots=True)
class Span:
    """From `first` to before `end`, seconds of the epoch: what a chart shows at a moment."""

    first: int
    end: int

    @classmethod
    def of(cls, shown: Range, now: float) -> Span:
        end = int((now - LATE) // FINE) * FINE
        return cls((end - shown.seconds) // shown.width * shown.width, end)


@dataclass(slots=True)
class Point:
    """What was counted in the `seconds` from `at` on. `looked`: the platform measured at some time of it."""

    at: int
    seconds: int
    looked: bool = False
    sums: Sums = field(default_factory=Sums)


def points(shown: Range, span: Span, buckets: Mapping[int, Sums], looked: Iterable[int]) -> list[Point]:
    """One for every `width` of the span; `buckets` and `looked` (when the platform measured) by their start."""
    found: dict[int, Point] = {}
    for at in range(span.first, span.end, shown.width):
        found[at] = Point(at, min(at + shown.width, span.end) - at)
    for start, sums in buckets.items():
        if point := found.get(start // shown.width * shown.width):
            point.sums.add(sums)
    for start in looked:
        if point := found.get(start // shown.width * shown.width):
            point.looked = True
    return list(found.values())


TRAFFIC = ("succeeded", "redirected", "refused", "failed", "p50", "p95", "p99", "received", "sent")
"""What of the series a route has: nothing runs that belongs to it alone."""


def series(points: list[Point]) -> dict[str, Any]:
    """Lists of one length for the page's charts: None where nothing was measured, which is shown as a gap.

    Requests a minute, latencies in ms, traffic in bytes a second, CPU in cores, memory in MB.
    """
    return {
        "times": [point.at for point in points],
        "succeeded": [_a_minute(point, point.sums.succeeded + point.sums.informational) for point in points],
        "redirected": [_a_minute(point, point.sums.redirected) for point in points],
        "refused": [_a_minute(point, point.sums.refused) for point in points],
        "failed": [_a_minute(point, point.sums.failed) for point in points],
        "p50": [_rounded(percentile(point.sums.latencies, 0.5)) for point in points],
        "p95": [_rounded(percentile(point.sums.latencies, 0.95)) for point in points],
        "p99": [_rounded(percentile(point.sums.latencies, 0.99)) for point in points],
        "received": [_a_second(point, point.sums.received) for point in points],
        "sent": [_a_second(point, point.sums.sent) for point in points],
        "cpu": [_rounded(point.sums.cpu, 4) for point in points],
        "memory": [_rounded(point.sums.memory, 1) for point in points],
        "memory_most": [point.sums.memory_most if point.sums.looks else None for point in points],
        "restarts": [point.sums.restarts if point.sums.looks or point.sums.restarts else None for point in points],
    }


def _a_minute(point: Point, count: int) -> float | None:
    return round(count * 60 / point.seconds, 2) if point.looked or point.sums.requests else None


def _a_second(point: Point, count: int) -> float | None:
    return round(count / point.seconds, 1) if point.looked or point.sums.requests else None


def _rounded(figure: float | None, places: int = 1) -> float | None:
    return None if figure is None else round(figure, places)


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a whole span; None for what nothing is known of. `refused` and `failed` are parts of 1."""

    requests: int
    refused: float | None
    failed: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    received: int
    sent: int
    cpu: float | None
    memory: float | None
    memory_most: int | None
    restarts: int


def summary(points: Iterable[Point]) -> Summary:
    whole = total(point.sums for point in points)
    count = whole.requests
    return Summary(
        requests=count,
        refused=whole.refused / count if count else None,
        failed=whole.failed / count if count else None,
        p50=percentile(whole.latencies, 0.5),
        p95=percentile(whole.latencies, 0.95),
        p99=percentile(whole.latencies, 0.99),
        received=whole.received,
        sent=whole.sent,
        cpu=whole.cpu,
        memory=whole.memory,
        memory_most=whole.memory_most if whole.looks else None,
        restarts=whole.restarts,
    )
