"""How many instances an app should have. Pure: figures in, a number and the words for it out.

Target tracking as Kubernetes' horizontal autoscaler describes it: so many instances that each is used to its target on
average, nothing done within a tolerance of it. Up at once, by what was used last; down only when no moment of the
cool-down asked for more. A figure that is missing never takes an instance away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

TOLERANCE = 0.1  # of the target: closer than that is close enough
RECENT = 2  # samples that say what is used now
KNOWN = 0.75  # of the samples of a cool-down: with fewer nothing is taken away
SETTLING = 30.0  # seconds after a change in which no instance is added: the one before has yet to take its share


@dataclass(frozen=True, slots=True)
class Targets:
    """Counts of instances; percent of what one instance has, 0 for what is not looked at; `cooldown` in seconds."""

    least: int
    most: int
    cpu: int
    memory: int
    cooldown: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What all instances used together in one stretch of time, in instances' worths: 1.5 is one and a half full."""

    cpu: float | None = None
    memory: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    count: int
    words: str


def decide(
    current: int, samples: Sequence[Sample], targets: Targets, *, since_change: float | None = None
) -> Decision | None:
    """Another number than `current`, within least and most, or None for none.

    `samples`: one for each stretch of the cool-down, the newest last, empty ones where nothing was measured.
    `since_change`: seconds since the number changed; None for never.
    """
    inside = max(targets.least, min(targets.most, current))
    if inside != current:
        return Decision(inside, f"{targets.least} to {targets.most} instances are set: {current} → {inside} instances")
    quiet = math.inf if since_change is None else since_change
    up = _most_wanted(current, [_mean(samples[-RECENT:])], targets)
    if up and up.count > current:
        return up if quiet >= SETTLING else None
    if quiet < targets.cooldown or not _known(samples, targets):
        return None
    down = _most_wanted(current, samples, targets)
    return down if down and down.count < current else None


def _most_wanted(current: int, samples: Sequence[Sample], targets: Targets) -> Decision | None:
    """The most that any figure of any sample asks for; None when there is no figure."""
    found = None
    for sample in samples:
        for name, used, target in (("CPU", sample.cpu, targets.cpu), ("memory", sample.memory, targets.memory)):
            if used is None or not target:
                continue
            share = used / current * 100
            close = abs(share / target - 1) <= TOLERANCE
            needed = current if close else math.ceil(used * 100 / target - 1e-9)
            count = max(targets.least, min(targets.most, needed))
            if found is None or count > found.count:
                words = f"{name} {share:.0f} % of target {target} %: {current} → {count} instances"
                found = Decision(count, words)
    return found


def _known(samples: Sequence[Sample], targets: Targets) -> bool:
    """Whether enough is known of the whole cool-down, and of its end, to take something away."""
    known = [_whole(sample, targets) for sample in samples]
    return len(known) >= RECENT and all(known[-RECENT:]) and sum(known) >= KNOWN * len(known)


def _whole(sample: Sample, targets: Targets) -> bool:
    return not (targets.cpu and sample.cpu is None) and not (targets.memory and sample.memory is None)


def _mean(samples: Sequence[Sample]) -> Sample:
    return Sample(_average([s.cpu for s in samples]), _average([s.memory for s in samples]))


def _average(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
