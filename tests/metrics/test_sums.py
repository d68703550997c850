"""Adding up: histograms, sums and buckets say the same whatever was added to what, and when."""

from __future__ import annotations

import copy
import random

from hypothesis import given
from hypothesis import strategies as st

from apps.edge.access_log import Served
from apps.metrics import latency
from apps.metrics.steps import COARSE, EVER, FINE, MIDDLE, Batch, Key
from apps.metrics.sums import Sums, total

SERVED = st.builds(
    Served,
    pod=st.just("p"),
    app=st.sampled_from(["web", "api"]),
    at=st.floats(1_700_000_000, 1_700_020_000),
    status=st.integers(100, 599),
    ms=st.none() | st.integers(0, 3_000_000),
    received=st.integers(0, 10**9),
    sent=st.integers(0, 10**12),
)


def counted(served: list[Served]) -> Sums:
    sums = Sums()
    for one in served:
        sums.count(one)
    return sums


@given(st.lists(SERVED), st.data())
def test_the_sum_of_parts_is_the_count_of_all(served: list[Served], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(served)), max_size=4)))
    parts = [counted(served[a:b]) for a, b in zip([0, *cuts], [*cuts, len(served)], strict=True)]
    random.shuffle(parts)
    assert total(parts) == counted(served)


@given(st.lists(SERVED))
def test_nothing_is_counted_twice_or_left_out(served: list[Served]) -> None:
    sums = counted(served)
    assert sums.requests == len(served)
    assert sums.failed == sum(one.status >= 500 for one in served)
    assert sums.timed == sum(sums.latencies.values()) == sum(one.ms is not None for one in served)
    assert sums.took_ms == sum(one.ms or 0 for one in served)


@given(st.lists(SERVED))
def test_coarser_buckets_are_the_sum_of_the_finer(served: list[Served]) -> None:
    batch = Batch()
    for one in served:
        batch.at(one.pod, one.app, one.at).count(one)
    before = copy.deepcopy(batch.fine)
    buckets = batch.buckets()
    assert batch.fine == before
    for fine, coarse in ((FINE, MIDDLE), (MIDDLE, COARSE)):
        merged: dict[Key, Sums] = {}
        for key, sums in buckets.items():
            if key.step == fine:
                merged.setdefault(Key(key.pod, key.app, coarse, key.start // coarse * coarse), Sums()).add(sums)
        assert merged == {key: sums for key, sums in buckets.items() if key.step == coarse}
    for app in {one.app for one in served}:
        assert buckets[Key("p", app, EVER, 0)] == counted([one for one in served if one.app == app])


@given(st.lists(st.integers(0, 2_000_000), min_size=1), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_in_the_bucket_of_the_true_one(times: list[int], part: float) -> None:
    histogram: latency.Histogram = {}
    for ms in times:
        histogram[latency.bucket(ms)] = histogram.get(latency.bucket(ms), 0) + 1
    found = latency.percentile(histogram, part)
    rank = max(1, -(-len(times) * round(part * 100) // 100))
    number = latency.bucket(sorted(times)[rank - 1])
    assert found is not None
    low = latency.BOUNDS[number - 1] if number else 0.0
    assert low * (1 - 1e-9) <= found <= latency.BOUNDS[number] * (1 + 1e-9)


@given(st.dictionaries(st.integers(0, len(latency.BOUNDS) - 1), st.integers(1, 10**6)))
def test_percentiles_grow_with_their_part(histogram: latency.Histogram) -> None:
    found = [latency.percentile(histogram, part) for part in (0.0, 0.5, 0.95, 0.99, 1.0)]
    if histogram:
        assert found == sorted(found)  # type: ignore[type-var]
    else:
        assert found == [None] * 5


def test_bounds_are_fixed_and_close() -> None:
    """They must never change: what is stored names buckets by number."""
    assert (latency.bucket(0), latency.bucket(1), latency.bucket(2), latency.bucket(1000)) == (0, 0, 4, 40)
    assert latency.bucket(10**9) == len(latency.BOUNDS) - 1 == 84
    assert latency.BOUNDS[40] == 1024
    assert max(b / a for a, b in zip(latency.BOUNDS, latency.BOUNDS[1:], strict=False)) < 1.19


def test_memory_and_cpu_are_averages_of_what_was_looked_at() -> None:
    sums = Sums()
    assert (sums.memory, sums.cpu) == (None, None)
    for megabytes in (100, 200, 600):
        sums.look(memory_mb=megabytes)
    sums.add(Sums(cpu_ms=7_500, watched_ms=15_000))
    assert (sums.memory, sums.memory_most, sums.cpu) == (300, 600, 0.5)
