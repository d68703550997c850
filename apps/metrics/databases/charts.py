"""The figures of a database server as the points of charts and in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apps.metrics.charts import Point
from apps.metrics.databases import COUNTERS, GAUGES, SAMPLES
from apps.metrics.sums import Sums, total


def average(sums: Sums, gauge: str) -> float | None:
    """None where nobody looked, or the server has no such thing."""
    samples = sums.figures.get(SAMPLES)
    return sums.figures[gauge] / samples if samples and gauge in sums.figures else None


def hit_ratio(sums: Sums) -> float | None:
    """The part of the reads, 0 to 1, that was answered from memory; None without any."""
    hits, reads = sums.figures.get("hits", 0), sums.figures.get("hits", 0) + sums.figures.get("misses", 0)
    return hits / reads if reads else None


def series(points: Iterable[Point]) -> dict[str, Any]:
    """Lists as those of apps.metrics.charts.series: gauges on average, what was counted, the hit ratio in percent."""
    sums = [point.sums for point in points]
    found: dict[str, Any] = {gauge: [_rounded(average(one, gauge)) for one in sums] for gauge in GAUGES}
    for counter in ("slow", "evictions"):
        found[counter] = [one.figures.get(counter, 0) if SAMPLES in one.figures else None for one in sums]
    ratios = [hit_ratio(one) for one in sums]
    return found | {"hits": [None if ratio is None else round(ratio * 100, 2) for ratio in ratios]}


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 1)


@dataclass(frozen=True, slots=True)
class Summary:
    """`connections`, `limit`, `size` and `keys` as they were last; the rest of the whole span. None: not known."""

    connections: int | None
    limit: int | None
    size: int | None
    keys: int | None
    hit_ratio: float | None
    slow: int
    evictions: int


def summary(points: Iterable[Point]) -> Summary:
    parts = [point.sums for point in points]
    newest = next((one for one in reversed(parts) if SAMPLES in one.figures), Sums())
    last = {gauge: None if (value := average(newest, gauge)) is None else round(value) for gauge in GAUGES}
    whole = total(parts)
    counted = {name: whole.figures.get(name, 0) for name in COUNTERS}
    return Summary(**last, hit_ratio=hit_ratio(whole), slow=counted["slow"], evictions=counted["evictions"])
