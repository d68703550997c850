"""The policy: how many instances which figures ask for. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.deployments.scaling import Decision, Sample, Targets, decide

CPU = Targets(least=1, most=10, cpu=60, memory=0, cooldown=300.0)
STEPS = 20  # stretches of 15 s in the cool-down


def steady(cpu: float | None, memory: float | None = None, count: int = STEPS) -> list[Sample]:
    return [Sample(cpu, memory)] * count


def test_up_at_once_with_words() -> None:
    calm, busy = steady(0.5, count=STEPS - 2), steady(1.68, count=2)
    assert decide(2, [*calm, *busy], CPU) == Decision(3, "CPU 84 % of target 60 %: 2 → 3 instances")


def test_the_figure_that_asks_for_most_decides() -> None:
    both = replace(CPU, memory=50)
    found = decide(2, steady(0.6, 1.7), both)
    assert found == Decision(4, "memory 85 % of target 50 %: 2 → 4 instances")


def test_a_target_of_zero_is_not_looked_at() -> None:
    assert decide(2, steady(1.2, 9.0), CPU) is None


@pytest.mark.parametrize("share", [0.545, 0.6, 0.655])
def test_close_to_the_target_nothing_is_done(share: float) -> None:
    assert decide(4, steady(share * 4), CPU) is None


def test_down_only_when_no_moment_of_the_cool_down_asked_for_more() -> None:
    calm = steady(0.5)
    assert decide(4, calm, CPU) == Decision(1, "CPU 12 % of target 60 %: 4 → 1 instances")
    once = [*calm[:5], Sample(1.7), *calm[6:]]
    found = decide(4, once, CPU)
    assert found is not None
    assert found.count == 3


def test_down_not_before_the_cool_down_is_over_and_up_not_while_the_last_one_starts() -> None:
    assert decide(4, steady(0.5), CPU, since_change=299.0) is None
    assert decide(4, steady(0.5), CPU, since_change=301.0) is not None
    assert decide(1, steady(0.9), CPU, since_change=10.0) is None
    assert decide(1, steady(0.9), CPU, since_change=31.0) is not None


def test_other_bounds_count_at_once() -> None:
    assert decide(1, [], replace(CPU, least=3)) == Decision(3, "3 to 10 instances are set: 1 → 3 instances")
    assert decide(9, [], replace(CPU, most=4)) == Decision(4, "1 to 4 instances are set: 9 → 4 instances")


used = st.one_of(st.none(), st.floats(0, 100))
samples_of = st.lists(st.builds(Sample, used, used), max_size=40)
targets_of = st.builds(
    lambda least, more, cpu, memory, cooldown: Targets(least, least + more, cpu, memory, cooldown),
    st.integers(1, 9), st.integers(1, 9), st.integers(0, 100), st.integers(0, 100), st.floats(60, 3600),
)  # fmt: skip
since = st.one_of(st.none(), st.floats(0, 10_000))


@given(st.integers(1, 20), samples_of, targets_of, since)
def test_always_another_number_within_the_bounds(
    current: int, samples: list[Sample], targets: Targets, quiet: float | None
) -> None:
    found = decide(current, samples, targets, since_change=quiet)
    inside = targets.least <= current <= targets.most
    assert found is not None or inside
    if found is not None:
        assert targets.least <= found.count <= targets.most
        assert found.count != current
        assert f"{current} → {found.count} instances" in found.words


@given(st.integers(1, 10), samples_of, targets_of, since)
def test_missing_figures_never_take_an_instance_away(
    current: int, samples: list[Sample], targets: Targets, quiet: float | None
) -> None:
    inside = max(targets.least, min(targets.most, current))
    found = decide(inside, [*samples, Sample()], targets, since_change=quiet)
    if targets.cpu or targets.memory:
        assert found is None or found.count > inside


@given(st.floats(0, 30), st.integers(1, 10), targets_of)
def test_a_constant_load_comes_to_rest(load: float, current: int, targets: Targets) -> None:
    targets = replace(targets, memory=0, cpu=max(targets.cpu, 1))
    current = max(targets.least, min(targets.most, current))
    counts = [current]
    for _ in range(20):
        found = decide(counts[-1], steady(load), targets)
        if found is None:
            break
        counts.append(found.count)
    assert decide(counts[-1], steady(load), targets) is None, f"flaps: {counts}"
    assert counts == sorted(counts) or counts == sorted(counts, reverse=True), f"there and back: {counts}"
