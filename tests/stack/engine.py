"""The process engine's agent, started for real in a state directory of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.core.errors import PlatformError
from apps.engines.process.client import ProcessEngine
from apps.engines.process.namespaces import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds


class EngineAgent:
    """An agent that can be killed and started again on the same state."""

    def __init__(self, *arguments: str) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="bp-e-", dir="/tmp"))
        self.state.chmod(0o711)
        self.socket = self.state / "run" / "engine.sock"
        self.engine = ProcessEngine(self.socket)
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "apps.engines.process.agent", "--state", str(self.state)]
        command += ["--socket", str(self.socket), *self._arguments]
        with open(self.state / "agent.log", "ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.engine.check()
                return
            except PlatformError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError(f"no engine agent: {self.log()}") from None
                time.sleep(0.05)

    def log(self) -> str:
        return (self.state / "agent.log").read_text()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)

    def leave(self) -> None:
        """End the agent in order, and nothing else."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR2)
        assert self._process.wait(PATIENCE) == 0

    def keepers(self) -> list[int]:
        """The pids of keepers on this state."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            except OSError:
                continue
            if os.fsencode(self.state / "run" / "keeper.sock") in words:
                found.append(int(entry.name))
        return found

    def stop(self) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(PATIENCE)

    def remove(self) -> None:
        try:
            self.stop()
        finally:
            for pid in self.keepers():
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(self.state, ignore_errors=True)


@pytest.fixture(scope="session")
def engine_agent() -> Iterator[ProcessEngine]:
    """The process engine as this host allows it: sandboxed where it can be."""
    agent = EngineAgent()
    try:
        agent.start()
        yield agent.engine
    finally:
        agent.remove()


@pytest.fixture(scope="session")
def plain_engine() -> Iterator[ProcessEngine]:
    """The process engine without sandboxes."""
    agent = EngineAgent("--sandbox", "off")
    try:
        agent.start()
        yield agent.engine
    finally:
        agent.remove()
