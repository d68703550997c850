"""`launch`: from asking the engine for an instance to its first answer, against the same program started barely."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace

from apps import engines
from apps.core.ids import new_id
from apps.core.ports import free_port
from apps.engines.base import LaunchSpec, Limits, Mount, State
from apps.engines.process.host import SYSTEM_PATH
from apps.infrastructure.embedded.process import dies_with_parent
from bench import probe
from bench.ground import SMALL, Ground, tree
from bench.row import Row, take_turns

TARGET = 2.0
PATIENCE = 60.0  # seconds until an answer
TRIES = 3  # the reconciler, if it looks just then, stops what no deployment knows


def measure(ground: Ground) -> Row:
    python = shutil.which("python3", path=SYSTEM_PATH)  # what a sandbox has too
    if python is None:
        raise RuntimeError(f"could not be measured: there is no python3 in {SYSTEM_PATH}")
    with tree({"main.py": SMALL}) as directory:
        command = (python, "-S", "/app/main.py")
        spec = LaunchSpec("", "bench", command, {}, mounts=(Mount(str(directory), "/app"),), port=8080)
        bare = [python, "-S", str(directory / "main.py")]
        return launched(ground, "launch", spec, lambda: _started(bare), "starting the process")


def launched(ground: Ground, name: str, spec: LaunchSpec, limit: Callable[[], float], against: str) -> Row:
    """The row `name`: `spec` launched again and again by the engine, and `limit` by turns."""
    assert ground.team  # the platform runs
    engine = engines.engine()

    def product() -> float:
        for _ in range(TRIES):
            if (seconds := once()) is not None:
                return seconds
        raise RuntimeError(f"{TRIES} in a row were stopped by somebody else")

    def once() -> float | None:
        one = replace(spec, id=new_id(), limits=Limits(cpu=2, memory=512))
        began = time.monotonic()
        handle = engine.launch(one)
        try:
            probe.answering(handle["address"], PATIENCE)
            return time.monotonic() - began
        except TimeoutError:
            if engine.status(handle).state is not State.GONE:
                raise
            return None
        finally:
            engine.stop(handle, 0)

    pair = take_turns(2 * ground.rounds, product, limit)
    seconds, barely = pair.medians
    return Row(
        name, "s", seconds, f"≤ {TARGET}×", seconds <= TARGET * barely, barely, against, pair.samples()
    )  # fmt: skip


def _started(command: list[str]) -> float:
    port = free_port()
    began = time.monotonic()
    process = subprocess.Popen(
        command, env={**os.environ, "PORT": str(port)}, stderr=subprocess.DEVNULL, preexec_fn=dies_with_parent()
    )
    try:
        probe.answering(f"127.0.0.1:{port}", PATIENCE)
        return time.monotonic() - began
    finally:
        process.kill()
        process.wait()
