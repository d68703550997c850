"""From buckets to points: gaps stay gaps, nothing measured as zero is one, and rates have the right width."""

from __future__ import annotations

import itertools

import pytest

from apps.edge.access_log import Served
from apps.metrics.charts import RANGES, Span, points, series, summary
from apps.metrics.steps import FINE, KEPT
from apps.metrics.sums import Sums

NOW = 1_700_000_000.0
HOUR = RANGES["1h"]


def request(status: int = 200, ms: int = 10) -> Sums:
    sums = Sums()
    sums.count(Served("p", "web", NOW, status, ms, 10, 150))
    return sums


@pytest.mark.parametrize("name", RANGES)
def test_a_range_is_covered_by_what_is_kept(name: str) -> None:
    shown = RANGES[name]
    assert shown.seconds <= KEPT[shown.step]
    assert shown.width % shown.step == 0
    span = Span.of(shown, NOW)
    made = points(shown, span, {}, [])
    assert 150 <= len(made) <= 400
    assert made[0].at <= NOW - shown.seconds
    assert made[-1].at + made[-1].seconds == span.end <= NOW
    assert all(a.at + a.seconds == b.at for a, b in itertools.pairwise(made))


def test_a_bucket_that_may_still_grow_is_not_shown() -> None:
    assert Span.of(HOUR, 1000 * FINE + 19.9).end == 999 * FINE
    assert Span.of(HOUR, 1000 * FINE + 20).end == 1000 * FINE


def test_what_was_not_measured_is_a_gap_and_what_was_is_none() -> None:
    span = Span.of(HOUR, NOW)
    a, b, c = (span.first + number * FINE for number in (3, 4, 5))
    look = Sums(looks=1, memory_mb=50, memory_most=50, cpu_ms=3000, watched_ms=15_000)
    look.add(request())
    made = series(points(HOUR, span, {a: look, c: request(503)}, [a, b]))
    at = [made["times"].index(moment) for moment in (a, b, c)]
    assert [made["succeeded"][i] for i in at] == [4, 0, 0]
    assert [made["failed"][i] for i in at] == [0, 0, 4], "counted later, though nobody looked then"
    assert [made["sent"][i] for i in at] == [10, 0, 10]
    assert [made["p50"][i] is None for i in at] == [False, True, False]
    assert [made["cpu"][i] for i in at] == [0.2, None, None]
    assert [made["memory"][i] for i in at] == [50, None, None]
    assert [made["restarts"][i] for i in at] == [0, None, None]
    rest = [i for i in range(len(made["times"])) if i not in at]
    assert all(made[name][i] is None for name in made if name != "times" for i in rest)
    assert {len(values) for values in made.values()} == {len(made["times"])}


def test_finer_buckets_are_merged_and_strangers_left_out() -> None:
    shown = RANGES["6h"]
    span = Span.of(shown, NOW)
    inside = {span.first + number * FINE: request() for number in range(4)}
    outside = {span.first - FINE: request(), span.end + 3600: request()}
    made = points(shown, span, inside | outside, [])
    assert made[0].sums.requests == 4
    assert sum(point.sums.requests for point in made) == 4
    assert series(made)["succeeded"][0] == 4


def test_the_last_point_counts_for_as_long_as_it_lasts_so_far() -> None:
    shown = RANGES["7d"]
    span = Span.of(shown, 1_700_001_000.0)
    made = points(shown, span, {span.end // 300 * 300: request()}, [])
    assert made[-1].seconds < shown.width
    assert series(made)["succeeded"][-1] == round(60 / made[-1].seconds, 2)


def test_a_summary_is_of_all_points() -> None:
    span = Span.of(HOUR, NOW)
    buckets = {
        span.first: request(200, 10),
        span.first + FINE: request(404, 10),
        span.first + 2 * FINE: request(500, 900),
    }
    found = summary(points(HOUR, span, buckets, []))
    assert (found.requests, found.refused, found.failed) == (3, 1 / 3, 1 / 3)
    assert found.p50 == pytest.approx(10, rel=0.2)
    assert found.p99 == pytest.approx(900, rel=0.2)
    assert (found.sent, found.received, found.cpu, found.memory_most) == (450, 30, None, None)
    empty = summary(points(HOUR, span, {}, []))
    assert (empty.requests, empty.refused, empty.p95) == (0, None, None)
