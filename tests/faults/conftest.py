"""One platform for the whole matrix: a pod for every point, so that one kill hits all of them at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.rig import Rig
from tests.stack.platform import own_platform

STAGES = ("clone", "detect", "secrets", "install", "build", "push", "launch", "health")
BOUNDARIES = [f"{when}-{stage}" for stage in STAGES for when in ("before", "after")]
SIDE_EFFECTS = [
    "deployment.begun",
    "secrets.token",
    "artifact.stored",
    "artifact.recorded",
    "workload.recorded",
    "workload.launched",
    "between-switch-and-edge",
    "edge.answers",
    "deployment.ending",
    "deployment.ended",
    "retire.drained",
    "workload.stopped",
]
# Where one service after the other is killed: a boundary is one state, whichever of its two sides is looked at.
CROSSED = ("before-clone", *BOUNDARIES[1::2], "between-switch-and-edge", "edge.answers")
POINTS = {f"at-{point.replace('.', '-')}": point for point in (*BOUNDARIES, *SIDE_EFFECTS)}
LEASE = 10  # seconds
ROUNDS = int(os.environ.get("BRAINPOD_SOAK", "1"))


@contextmanager
def breakable(held: int, **settings: str) -> Iterator[Rig]:
    """A platform of one's own with room for `held` deployments held at once."""
    own = {
        "BRAINPOD_FAILPOINTS": "yes",
        "BRAINPOD_WORKERS": str(held + 2),
        "BRAINPOD_DRAIN_SECONDS": "0.5",
        "BRAINPOD_LEASE_SECONDS": str(LEASE),
    }
    with own_platform(**own, **settings) as platform:
        made = Rig(platform)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="package")
def rig() -> Iterator[Rig]:
    """A platform of this folder's own, with room for deployments held at half of the points at once."""
    with breakable(len(POINTS) // 2) as made:
        yield made


@pytest.fixture(scope="module")
def matrix(rig: Rig) -> Rig:
    """The platform with a live pod for each of `POINTS`."""
    rig.make(list(POINTS))
    return rig
