"""What a platform's processes used: also of those that have ended meanwhile, whom nobody sees at the second look."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from bench import processes
from tests.stack.platform import Platform

BURNT = 0.5  # seconds of CPU
BURN = f"import time\nwhile time.process_time() < {BURNT}: pass"
PARENT = f"""
import subprocess, sys
for line in sys.stdin:
    subprocess.run([sys.executable, "-c", {BURN!r}])
    print("done", flush=True)
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """For each line it is sent it has a child that burns CPU, and waits for it."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        yield started
        started.kill()


class Worker:
    """As much of a platform as is looked at: its one service is `process`."""

    def __init__(self, process: subprocess.Popen[Any], state: Path) -> None:
        self.process, self.state = process, state

    def pid(self, service: str) -> int:
        return self.process.pid if service == "worker" else -1


def test_what_ended_between_two_looks_counts(parent: subprocess.Popen[str], tmp_path: Path) -> None:
    assert parent.stdin is not None
    assert parent.stdout is not None
    platform = cast(Platform, Worker(parent, tmp_path))
    before = processes.cpu(processes.of(platform))
    parent.stdin.write("burn\n")
    parent.stdin.flush()
    assert parent.stdout.readline() == "done\n"
    found = processes.of(platform)
    assert [process.pid for process in found] == [parent.pid], "the child has ended"
    assert processes.cpu(found)["worker"] - before["worker"] >= 0.9 * BURNT
