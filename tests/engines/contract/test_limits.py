"""What the size of an instance gives it of the CPU, however much it asks for."""

from __future__ import annotations

import time

import pytest

from apps.engines.base import Engine, Handle, Limits
from apps.engines.nomad.client import NomadEngine
from tests.engines.workloads import texts, until, worker
from tests.stack.docker_engine import ImageEngine

SHARE = 0.25  # of a core
LOOK = 5.0  # seconds
BURN = "import os\nos.fork()\nprint('burns', flush=True)\nwhile True: pass"  # two processes: as much as two cores give


def test_a_small_instance_has_about_its_share_of_the_cpu(engine: Engine) -> None:
    if isinstance(engine, NomadEngine):
        pytest.skip("Nomad divides CPU by weight: what nobody else of the node wants is not held back")
    for note in engine.check().notes:
        if "cgroup" in note:
            pytest.skip(note)
    handle = engine.launch(worker("", command=("python3", "-c", BURN), limits=Limits(cpu=SHARE, memory=256)))
    until(lambda: len(texts(engine, handle)) == 2, "both processes")
    if isinstance(engine, ImageEngine):
        container = engine.daemon.api.inspect_container(f"brainpod-{handle['id']}")
        assert container["HostConfig"]["NanoCpus"] == SHARE * 1e9
    cores = used(engine, handle)
    engine.stop(handle, 0)
    assert 0.2 * SHARE < cores < 1.6 * SHARE


def used(engine: Engine, handle: Handle) -> float:
    """Cores, over a while."""
    before, began = engine.stats(handle), time.monotonic()
    time.sleep(LOOK)
    after, seconds = engine.stats(handle), time.monotonic() - began
    assert before is not None
    assert after is not None
    return (after.cpu_seconds - before.cpu_seconds) / seconds
