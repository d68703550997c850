"""What the tests of this folder share: a supervisor that ends with its test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.infrastructure.embedded import running
from apps.infrastructure.embedded.plan import Tier
from tests.infrastructure.supervised import Start, Started


@pytest.fixture
def start(short_state: Path) -> Iterator[Start]:
    every: list[Started] = []

    def begin(tiers: list[Tier]) -> Started:
        every.append(Started(short_state, tiers))
        return every[-1]

    yield begin
    for one in every:
        if one.pid:
            os.kill(one.pid, signal.SIGKILL)
            one.wait()
    running.end_leftovers(short_state, lambda line: None)
