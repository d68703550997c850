"""The restart policy, to the letter."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from apps.engines.restart import ATTEMPTS, DELAY, WINDOW, RestartPolicy

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
