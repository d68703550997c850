"""How long requests took, as counts of fixed buckets: histograms of any two times add up to that of both. Pure.

The bounds are the same for ever: what is stored names a bucket by its number.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

STEPS = 4  # buckets to a doubling: a percentile is at most 19 % off
BOUNDS = tuple(2 ** (number / STEPS) for number in range(21 * STEPS + 1))
"""The upper bounds in ms: 1 ms, 1.19 ms, … 35 min. What took longer is in the last bucket."""

Histogram = dict[int, int]
"""Number of a bucket → how many; those with none are left out."""


def bucket(ms: int) -> int:
    """The number of the bucket that `ms` falls into."""
    return min(bisect_left(BOUNDS, ms), len(BOUNDS) - 1)


def percentile(histogram: Mapping[int, int], part: float) -> float | None:
    """The ms within which `part` (0 to 1) of the requests were answered; None without any.

    Within a bucket requests are taken to be evenly spread.
    """
    total = sum(histogram.values())
    if not total:
        return None
    wanted, seen = part * total, 0
    for number in sorted(histogram):
        count = histogram[number]
        if seen + count >= wanted:
            low = BOUNDS[number - 1] if number else 0.0
            return low + (BOUNDS[number] - low) * max(0.0, wanted - seen) / count
        seen += count
    return BOUNDS[max(histogram)]


def cumulative(histogram: Mapping[int, int], every: int) -> list[tuple[float, int]]:
    """(upper bound in ms, how many took no longer) for each `every`-th bound; the last one has all that took longer."""
    return [
        (BOUNDS[at], sum(count for number, count in histogram.items() if number <= at))
        for at in range(0, len(BOUNDS) - 1, every)
    ]
