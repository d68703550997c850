"""The rules of recovery, to the letter, with a clock of the test's own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.engines import recovery
from apps.engines.recovery import (
    ATTEMPTS,
    DELAY,
    FIRST_DELAY,
    LONGEST_DELAY,
    LOST_AFTER,
    STABLE,
    WINDOW,
    Lost,
    RestartPolicy,
)

lives = st.lists(st.floats(min_value=0, max_value=400, allow_nan=False), min_size=1, max_size=80)


def starts(uptimes: list[float]) -> tuple[list[float], list[float]]:
    """(exits, restarts) of a workload whose n-th life lasts uptimes[n] seconds."""
    policy, now = RestartPolicy(), 1000.0
    exits, restarts = [], []
    for uptime in uptimes:
        now += uptime
        exits.append(now)
        now = policy.next_start(now)
        policy.started(now)
        restarts.append(now)
    return exits, restarts


@given(lives)
def test_at_most_ten_in_any_window_and_never_sooner_than_the_delay(uptimes: list[float]) -> None:
    exits, restarts = starts(uptimes)
    assert all(start >= end + DELAY for end, start in zip(exits, restarts, strict=True))
    for first, eleventh in zip(restarts, restarts[ATTEMPTS:], strict=False):
        assert eleventh - first >= WINDOW - 1e-6


@given(lives)
def test_it_never_gives_up_nor_waits_longer_than_a_window(uptimes: list[float]) -> None:
    exits, restarts = starts(uptimes)
    assert all(start - end <= max(DELAY, WINDOW) for end, start in zip(exits, restarts, strict=True))


def test_a_crash_loop_waits_out_the_window_after_ten() -> None:
    _, restarts = starts([0.0] * 12)
    assert [round(b - a) for a, b in pairwise(restarts[:10])] == [20] * 9
    assert restarts[10] == restarts[0] + WINDOW
    assert restarts[11] == restarts[1] + WINDOW


def test_the_reason_is_a_sentence() -> None:
    policy = RestartPolicy()
    for at in (20.0, 40.0, 60.0):
        policy.started(at)
    assert policy.reason(61.0, policy.next_start(61.0)) == "restarted 3 of 10 in this window, next try in 20 s"
    full = RestartPolicy(attempts=[float(at) for at in range(20, 220, 20)])
    at = full.next_start(200.0)
    assert full.reason(200.0, at) == "restarted 10 of 10 in this window, waiting for the next window in 120 s"


@given(lives)
def test_the_words_are_true_to_the_numbers(uptimes: list[float]) -> None:
    policy, now = RestartPolicy(), 1000.0
    made: list[float] = []
    for uptime in uptimes:
        now += uptime
        at = policy.next_start(now)
        words = policy.reason(now, at)
        told = re.fullmatch(
            r"restarted (\d+) of 10 in this window, (next try|waiting for the next window) in (\d+) s", words
        )
        assert told, words
        within = [start for start in made if now - start < WINDOW]
        assert int(told[1]) == min(len(within), ATTEMPTS)
        assert abs(int(told[3]) - (at - now)) <= 0.5
        assert (told[2] == "next try") == (len(within) < ATTEMPTS)
        now = at
        policy.started(now)
        made.append(now)


@given(st.integers(min_value=1, max_value=10_000))
def test_a_start_that_fails_waits_longer_each_time_up_to_an_hour_and_never_gives_up(failures: int) -> None:
    this, following = recovery.delay_after(failures), recovery.delay_after(failures + 1)
    assert FIRST_DELAY <= this <= LONGEST_DELAY
    assert following == min(2 * this, LONGEST_DELAY)


def test_the_delays_are_those_of_the_page() -> None:
    assert [recovery.delay_after(n) for n in range(1, 10)] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


@given(st.integers(min_value=0, max_value=500), st.floats(min_value=0, max_value=1e6))
def test_only_a_stable_time_begins_anew(failures: int, ran: float) -> None:
    following = recovery.failures_after(failures, ran)
    assert following == (1 if ran >= STABLE else failures + 1)
    if ran >= STABLE:
        assert recovery.delay_after(following) == FIRST_DELAY


@given(st.floats(min_value=0, max_value=1e7), st.booleans(), st.integers(min_value=0, max_value=5))
def test_what_is_lost_is_dealt_with_by_its_kind(silent: float, listens: bool, others: int) -> None:
    rule = recovery.lost(silent, listens=listens, others=others)
    words = recovery.lost_words(silent, listens=listens, others=others)
    if silent < LOST_AFTER:
        assert rule is Lost.WAIT
        assert words == f"unknown for {recovery.age(silent)}: the engine does not answer"
    elif not listens:
        assert rule is Lost.KEEP
        assert "not started elsewhere" in words
    else:
        assert rule is (Lost.REPLACE if others else Lost.STUCK)
        assert ("started on another" in words) == bool(others)
    assert recovery.age(silent) in words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (199, "3 min"), (3599, "59 min"), (3600, "1 h"), (90000, "25 h")],
)
def test_an_age_is_in_words(seconds: float, words: str) -> None:
    assert recovery.age(seconds) == words


@dataclass
class Cluster:
    """Hosts that go and come back, and one workload kept by the rules. What is on a host that is away runs on."""

    listens: bool
    hosts: int
    now: float = 0.0
    away: dict[int, float] = field(default_factory=dict)  # since when
    placed: list[int] = field(default_factory=lambda: [0])  # the newest last

    def tick(self, seconds: float) -> None:
        self.now += seconds
        host = self.placed[-1]
        if host in self.away:
            others = [other for other in range(self.hosts) if other not in self.away]
            silent = self.now - self.away[host]
            if recovery.lost(silent, listens=self.listens, others=len(others)) is Lost.REPLACE:
                self.placed.append(others[0])
        # Whoever is back and was replaced is stopped.
        self.placed = [at for at in self.placed[:-1] if at in self.away] + self.placed[-1:]

    @property
    def reached(self) -> list[int]:
        return [host for host in self.placed if host not in self.away]


moves = st.lists(st.tuples(st.sampled_from(["lose", "return"]), st.integers(0, 2), st.integers(1, 2000)), max_size=40)


@given(st.booleans(), st.integers(min_value=1, max_value=3), moves)
def test_hosts_that_are_lost_and_back_never_make_two(
    listens: bool, hosts: int, history: list[tuple[str, int, int]]
) -> None:
    cluster = Cluster(listens, hosts)
    for what, host, seconds in history:
        if what == "lose" and host < hosts:
            cluster.away.setdefault(host, cluster.now)
        else:
            cluster.away.pop(host, None)
        cluster.tick(seconds)
        assert len(cluster.reached) <= 1, "traffic goes to one"
        if not listens:
            assert cluster.placed == [0], "a worker may still be at its work: nobody else begins it"
    cluster.away.clear()
    cluster.tick(1)
    assert len(cluster.placed) == 1, "once all are back there is one, the newest"
    if listens and hosts > 1:
        cluster.away[cluster.placed[-1]] = cluster.now
        cluster.tick(LOST_AFTER)
        assert len(cluster.reached) == 1, "what listens is somewhere else after a quarter of an hour"
