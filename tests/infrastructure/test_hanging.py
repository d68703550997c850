"""A service that hangs is killed and started again; one that works, or is only waited for, is not."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from apps.infrastructure.embedded import running, services, supervisor
from apps.infrastructure.embedded.plan import Tier
from tests.infrastructure.supervised import Start, fake
from tests.stack.components import wait_for


def test_what_hangs_is_started_again(short_state: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOOK", 0.2)
    hanging = fake(short_state, "hanging", pulse=lambda: (short_state / "hanging.up").exists())
    moving = fake(short_state, "moving", pulse=object)
    silent = fake(short_state, "silent")
    begun = start([Tier((hanging, moving, silent))]).up()
    first = {name: begun.pid_of(name) for name in ("hanging", "moving", "silent")}
    marker = short_state / "hanging.up"
    wait_for(lambda: marker.exists() and marker.read_text() not in ("", str(first["hanging"])), 60, "another one")
    assert "hanging: has not moved for" in begun.lines.read_text()
    assert "hanging: ended with -9; starting it again" in begun.lines.read_text()
    assert {name: begun.pid_of(name) for name in ("moving", "silent")} == {k: first[k] for k in ("moving", "silent")}


def test_looks_are_counted_from_the_last_change(short_state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulses = iter([1, 1, 1, 2, 2, None, None, 3])
    one = running.Running(fake(short_state, "a", pulse=lambda: next(pulses)), short_state)
    assert one.still() == 0, "there is no process"
    monkeypatch.setattr(running.Running, "pid", 7)
    assert [one.still() for _ in range(8)] == [0, 1, 2, 0, 1, 0, 1, 0]
    pulses = iter([3, 3])
    monkeypatch.setattr(running.Running, "pid", 8)
    assert [one.still() for _ in range(2)] == [0, 1], "of another process it says nothing"


def test_a_worker_without_its_broker_does_not_hang(
    short_state: Path, valkey: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = short_state / "run" / "worker.ready"
    marker.parent.mkdir()
    config = dataclasses.replace(settings.BRAINPOD, state=short_state)
    pulse = services._worker(config, {}).pulse
    assert pulse is not None
    settings.VALKEY_URL = valkey
    assert pulse() == pulse(), "it does not come up"
    marker.touch()
    first = pulse()
    assert pulse() == first
    os.utime(marker, (1, 1))
    assert pulse() != first
    settings.VALKEY_URL = f"unix://{short_state}/nothing.sock?db=0"
    assert pulse() != pulse()
