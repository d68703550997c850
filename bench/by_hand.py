"""The limits: the same work done by hand, with the same tools and no platform. Argument lists, no shell."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apps.core.ports import free_port
from apps.infrastructure.embedded.process import dies_with_parent
from bench import probe

UV = Path(sys.executable).with_name("uv")


class Hand:
    """Somebody with a shell in `work`: clones `repository` and runs its Flask app with waitress."""

    def __init__(self, repository: Path, work: Path) -> None:
        self.repository, self.work = repository, work
        self.environment = work / "environment"

    def prepare(self) -> None:
        """The environment that `warm` and `start` reuse, bytecode and all."""
        self._clone(self.work / "checkout")
        self._install(self.environment, self.work / "checkout", self.work / "cache")
        self.start("", seconds=60)  # compiles what it imports

    def warm(self, text: str) -> float:
        """Seconds from the commit to its content, with the environment reused: clone, start, probe."""
        with self._checkout() as checkout:
            began = time.monotonic()
            self._clone(checkout)
            with self._running(self.environment, checkout, text, 60):
                return time.monotonic() - began

    def cold(self, text: str) -> float:
        """The same with nothing there: clone, environment, packages out of the registry by uv, start, probe."""
        with self._checkout() as checkout, self._checkout() as scratch:
            began = time.monotonic()
            self._clone(checkout)
            self._install(scratch / "environment", checkout, scratch / "cache")
            with self._running(scratch / "environment", checkout, text, 120):
                return time.monotonic() - began

    def start(self, text: str, seconds: float = 60) -> float:
        """Seconds from nothing running to `text` served out of the checkout that is there."""
        began = time.monotonic()
        with self._running(self.environment, self.work / "checkout", text, seconds):
            return time.monotonic() - began

    def _clone(self, into: Path) -> None:
        clone = ["git", "clone", "--quiet", "--depth=1", "--", f"file://{self.repository}", str(into)]
        subprocess.run(clone, check=True)

    def _install(self, environment: Path, checkout: Path, cache: Path) -> None:
        quiet = ["--quiet", "--cache-dir", str(cache)]
        subprocess.run([UV, "venv", *quiet, "--python", sys.executable, environment], check=True)
        install = [UV, "pip", "install", *quiet, "--python", environment / "bin" / "python"]
        subprocess.run([*install, "-r", checkout / "requirements.txt"], check=True)

    @contextmanager
    def _running(self, environment: Path, checkout: Path, text: str, seconds: float) -> Iterator[None]:
        port = free_port()
        serve = [environment / "bin" / "waitress-serve", f"--listen=127.0.0.1:{port}", "app:app"]
        process = subprocess.Popen(
            serve, cwd=checkout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=dies_with_parent()
        )
        try:
            probe.until(port, "localhost", text, seconds)
            yield
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def _checkout(self) -> Iterator[Path]:
        made = Path(tempfile.mkdtemp(dir=self.work))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
