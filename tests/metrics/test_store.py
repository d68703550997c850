"""What is counted is added to what is stored, once, together with how far was read."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from apps.core.ids import new_id
from apps.edge.access_log import Served
from apps.metrics import retention, store
from apps.metrics.models import Bucket
from apps.metrics.steps import COARSE, EVER, FINE, MIDDLE, Batch, routes_of
from apps.metrics.sums import Sums
from apps.pods.models import Pod

T = 1_700_000_000


def batch(pod: str, at: float = T, requests: int = 1, app: str = "web") -> Batch:
    made = Batch()
    for _ in range(requests):
        made.at(pod, app, at).count(Served(pod, app, at, 200, 12, 10, 100))
    return made


@pytest.mark.django_db
def test_what_comes_later_is_added() -> None:
    pod, row = new_id(), store.reading(new_id())
    for at in (T, T + 1, T + 400):
        store.write(row, {"at": at}, batch(pod, at).buckets())
    fine = store.between(pod, "web", FINE, T - 60, T + 500)
    assert [sums.requests for _, sums in sorted(fine.items())] == [2, 1]
    assert store.totals()[pod, "web"] == Sums(
        succeeded=3, received=30, sent=300, timed=3, took_ms=36, latencies={15: 3}
    )
    assert store.between(pod, "api", FINE, 0, T * 2) == store.between(new_id(), "web", FINE, 0, T * 2) == {}
    assert store.reading(row.source).state == {"at": T + 400}


@pytest.mark.django_db
def test_numbers_alone_are_added_to_whatever_is_there() -> None:
    """And the other way round: the database adds up the ones, this process the others."""
    pod, row = new_id(), store.reading(new_id())
    for megabytes in (30, 50, 20):
        idle = Batch()
        idle.at(pod, "web", T).look(memory_mb=megabytes)
        store.write(row, {}, idle.buckets())
        store.write(row, {}, batch(pod, T).buckets())
    assert store.between(pod, "web", FINE, T - 60, T + 60) == {
        T - T % FINE: Sums(
            succeeded=3, received=30, sent=300, timed=3, took_ms=36, latencies={15: 3},
            looks=3, memory_mb=100, memory_most=50,
        )
    }  # fmt: skip


@pytest.mark.django_db
def test_who_was_overtaken_writes_nothing() -> None:
    pod, source = new_id(), new_id()
    one, other = store.reading(source), store.reading(source)
    store.write(one, {"read": 1}, batch(pod).buckets())
    with pytest.raises(store.Overtaken):
        store.write(other, {"read": 1}, batch(pod).buckets())
    assert store.totals()[pod, "web"].requests == 1
    again = store.reading(source)
    store.write(again, {"read": 2}, batch(pod).buckets())
    assert store.totals()[pod, "web"].requests == 2


@pytest.mark.django_db(transaction=True)
def test_of_many_who_read_the_same_each_line_is_counted_once() -> None:
    """Threads that each add "the next" until ten are there, as two collectors on one log would."""
    pod, source = new_id(), new_id()
    failures: list[Exception] = []

    def collect() -> None:
        try:
            while (row := store.reading(source)).state.get("read", 0) < 10:
                try:
                    store.write(row, {"read": row.state.get("read", 0) + 1}, batch(pod).buckets())
                except store.Overtaken:
                    continue
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    store.reading(source)
    threads = [threading.Thread(target=collect) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    assert not any(thread.is_alive() for thread in threads)
    assert store.totals()[pod, "web"].requests == 10


class Stored(TestCase):
    """A database of its own for each example."""

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(st.lists(st.tuples(st.integers(0, 9000), st.integers(200, 599), st.integers(0, 10**5)), max_size=8))
    )
    def test_written_in_pieces_or_at_once_is_the_same(self, pieces: list[list[tuple[int, int, int]]]) -> None:
        row, whole = store.reading(new_id()), Batch()
        for piece in pieces:
            part = Batch()
            for offset, status, ms in piece:
                for into in (part, whole):
                    into.at("p", "web", T + offset).count(Served("p", "web", T + offset, status, ms, 1, 2))
            store.write(row, {}, part.buckets())
        wanted = whole.buckets()
        for step in (FINE, MIDDLE, COARSE, EVER):
            stored = store.between("p", "web", step, 0, T * 2)
            assert stored == {key.start: sums for key, sums in wanted.items() if key.step == step}


@pytest.mark.django_db
def test_the_number_of_queries_does_not_grow_with_the_apps(django_assert_max_num_queries: Any) -> None:
    row, made = store.reading(new_id()), Batch()
    for number in range(12):
        made.at(f"pod{number}", "web", T).look(memory_mb=number)
    store.write(row, {}, made.buckets())
    with django_assert_max_num_queries(6):  # a savepoint around, the position, what is stored, what is added
        store.write(row, {}, made.buckets())


@pytest.mark.django_db
def test_old_buckets_go_and_those_of_pods_that_are_gone(team: Any) -> None:
    pod, gone = Pod.objects.create(team=team, name=f"p{new_id()}").pk, new_id()
    now, row = time.time(), store.reading(new_id())
    days = (0, 1, 8, 100, -30)
    for owner in (pod, gone):
        for day in days:
            store.write(row, {}, batch(owner, now - day * 86400).buckets())
        store.write(row, {}, batch(routes_of(owner), now, app="front").buckets())
    store.write(row, {}, batch("", now, app="").buckets())
    retention.apply(Pod.objects.values("pk"))

    def ages(step: int) -> list[int]:
        rows = Bucket.objects.filter(pod=pod, step=step).order_by("-start")
        return [round((now - row.start) / 86400) for row in rows]

    assert (ages(FINE), ages(MIDDLE), ages(COARSE)) == ([0], [0, 1], [0, 1, 8])
    assert store.totals()[pod, "web"].requests == len(days), "what Prometheus reads never gets less"
    assert not Bucket.objects.filter(pod__startswith=gone).exists()
    assert Bucket.objects.filter(pod=routes_of(pod), app="front", step=FINE).exists()
    assert set(store.totals()) == {(pod, "web")}, "a request is counted once there"
    assert Bucket.objects.filter(pod="", step=FINE).exists()
    store.forget([pod])
    assert not Bucket.objects.filter(pod__startswith=pod).exists()
