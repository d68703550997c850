"""`first_run`: a clone of the repository, `make up` with an empty home, until the sample app answers; and once more."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apps.core.ports import free_port
from bench import probe
from bench.ground import Ground
from bench.row import Row
from tests.stack.platform import ROOT

FIRST, AGAIN = 60.0, 10.0  # seconds
PATIENCE = 600.0
# What a newcomer does not have: settings of ours, caches elsewhere than at home, an environment that is active.
FOREIGN = ("BRAINPOD_", "DJANGO_", "DATABASE_URL", "PYTHON", "UV_CACHE", "XDG_", "VIRTUAL_ENV")


def measure(ground: Ground) -> Row:
    ground.stop()  # two platforms at once would share two cores
    place = Path(tempfile.mkdtemp(prefix="bp-f-"))
    try:
        clone = place / "brainpod"
        (place / "home").mkdir()
        port = free_port()
        began = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", "--", f"file://{ROOT}", str(clone)], check=True)
        with _up(clone, port):
            first = _served(port, began)
            again = []
        for _ in range(min(3, ground.rounds)):
            began = time.monotonic()
            with _up(clone, port):
                again.append(_served(port, began))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    second = sorted(again)[len(again) // 2]
    return Row(
        "first_run", "s", first, f"≤ {FIRST:.0f} s; again ≤ {AGAIN:.0f} s", first <= FIRST and second <= AGAIN,
        samples={"first": [first], "again": again},
        details={
            "again": f"{second:.1f} s to the sample's answer",
            "what": "git clone, make up: uv by pip, packages out of the registry, nothing cached, the sample deployed",
        },
    )  # fmt: skip


def _served(port: int, began: float) -> float:
    probe.until(port, "hello.localhost", "Hello from your first pod", PATIENCE)
    return time.monotonic() - began


@contextmanager
def _up(clone: Path, port: int) -> Iterator[None]:
    """`make up` in the clone as a newcomer types it, ended by Ctrl-C."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    env |= {"HOME": str(clone.parent / "home"), "PATH": "/usr/local/bin:/usr/bin:/bin", "BRAINPOD_PORT": str(port)}
    env |= {"BRAINPOD_TLS_PORT": "0"}
    python = str(Path(sys.executable).resolve())
    with (clone.parent / "up.log").open("ab") as log:
        process = subprocess.Popen(
            ["make", "up", f"PYTHON={python}"], cwd=clone, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
