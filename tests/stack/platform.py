"""The whole platform as a user starts it: `manage.py up`, in a state directory and on a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from apps.core.ids import new_id
from apps.core.ports import free_port
from apps.infrastructure.embedded import process, running
from apps.infrastructure.embedded.supervisor import supervisor_pid
from tests.stack import template
from tests.stack.postgres import TEMPLATE

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 180
SERVICES = ("valkey", "openbao", "engine", "pages", "sockets", "git", "worker", "beat", "logs", "nginx")


class Platform:
    """`settings` are the environment's: Platform(BRAINPOD_WORKERS="1"). Starts with `start()`, or as a fixture.

    `fresh`: it makes its database and its static files itself, whether or not there is a template of them.
    """

    def __init__(self, *, fresh: bool = False, **settings: str) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="bp-p-"))
        self.state.chmod(0o711)
        self.port = free_port()
        # Eight Python processes start at once: without kept bytecode each of them would compile everything.
        dropped = ("DATABASE_URL", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BRAINPOD_")}
        self.env = {
            **{name: value for name, value in kept.items() if name not in dropped},
            "BRAINPOD_STATE": str(self.state),
            "BRAINPOD_PORT": str(self.port),
            "BRAINPOD_TLS_PORT": "0",
            "DJANGO_SETTINGS_MODULE": "brainpod.settings",
            **settings,
        }
        if (server := os.environ.get("DATABASE_URL")) and "DATABASE_URL" not in settings:
            self.env["DATABASE_URL"] = _new_database(server, f"platform_{new_id()}", fresh)
        if not fresh:
            template.lay_out(self.state, database="DATABASE_URL" not in self.env)
        self.output = self.state / "up.log"
        self._up: subprocess.Popen[bytes] | None = None

    def start(self) -> Platform:
        """Start the supervisor, or start it again after a `stop` or a kill, and wait until /healthz answers 200."""
        with self.output.open("ab") as out:
            self._up = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--no-demo"],
                cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, preexec_fn=process.dies_with_parent(),
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self.healthy():
            if self._up.poll() is not None:
                pytest.fail(f"the platform ended with {self._up.returncode} while it started\n{self.tails()}")
            if time.monotonic() > deadline:
                told = self.tails()
                self.stop()
                pytest.fail(f"the platform was not ready after {START_SECONDS} s\n{told}")
            time.sleep(0.1)
        return self

    def healthy(self) -> bool:
        """Whether the supervisor has said that everything is up, and the dashboard answers through nginx."""
        if b"  Dashboard  " not in self.output.read_bytes():
            return False
        try:
            return httpx.get(self.url(path="/healthz"), timeout=10, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def url(self, host: str = "localhost", path: str = "/") -> str:
        """*.localhost is this host everywhere in browsers; for clients that ask a resolver use `address`."""
        return f"http://{host}:{self.port}{path}"

    @property
    def address(self) -> str:
        """Where nginx listens; send the host name as the Host header."""
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *args: str, timeout: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`manage.py args` with the platform's settings. With `check`, a failing command fails the test."""
        done = subprocess.run(
            [sys.executable, "manage.py", *args],
            cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip
        if check and done.returncode:
            pytest.fail(
                f"manage.py {' '.join(args)} ended with {done.returncode}\n"
                f"{done.stdout}\n{done.stderr}\n{self.tails(8)}"
            )
        return done

    def signin(self, email: str = "") -> str:
        """The path of a one-time link that signs `email` in; without: for the first user or the first operator."""
        printed = self.manage("signin", *([email] if email else [])).stdout.strip().splitlines()[-1]
        return "/" + printed.partition("://")[2].partition("/")[2]

    def pid(self, service: str) -> int:
        """The process of a service, or of the "supervisor"."""
        if service == "supervisor":
            return supervisor_pid(self.state) or 0
        return int((self.state / "run" / f"{service}.pid").read_text().split()[0])

    def kill(self, service: str, how: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to one process of the platform; its number."""
        pid = self.pid(service)
        os.kill(pid, how)
        return pid

    def wait_restarted(self, service: str, old: int, seconds: float = 60) -> int:
        """The number of the process that took the place of `old`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(OSError, ValueError, IndexError):
                now = self.pid(service)
                if now not in (0, old) and process.identity(now):
                    return now
            time.sleep(0.05)
        pytest.fail(f"{service} was not started again within {seconds:g} s\n{self.tails()}")

    def stop(self, how: signal.Signals = signal.SIGINT, seconds: float = 120) -> int:
        """End the supervisor in order (or as `how` does) and wait; its exit code."""
        if self._up is None or self._up.poll() is not None:
            return self._up.returncode if self._up else 0
        self._up.send_signal(how)
        try:
            return self._up.wait(seconds)
        except subprocess.TimeoutExpired:
            self._up.kill()
            return self._up.wait()

    def tails(self, lines: int = 30) -> str:
        """The end of every log, for a failing test's report."""
        parts = []
        for log in [self.output, *sorted(self.state.glob("log/*.log")), *self.state.glob("nginx/logs/error.log")]:
            with suppress(OSError):
                end = "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
                parts.append(f"==> {log.name} <==\n{end}")
        return "\n".join(parts)

    def remove(self) -> None:
        """Stop, end whatever is left, take the state directory away."""
        self.stop()
        running.end_leftovers(self.state, lambda line: None)
        shutil.rmtree(self.state, ignore_errors=True)


def _new_database(server: str, name: str, fresh: bool) -> str:
    """The URL of a new, empty database on the suite's PostgreSQL, which goes away with the suite."""
    with psycopg.connect(server, autocommit=True) as connection:
        there = connection.execute("SELECT FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone() is not None
        source = TEMPLATE if there and not fresh else "template1"
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(source)))
    return f"{server.rpartition('/')[0]}/{name}"


@contextmanager
def own_platform(*, fresh: bool = False, **settings: str) -> Iterator[Platform]:
    """A platform for one test that breaks or configures it; for anything else there is the shared fixture."""
    made = Platform(fresh=fresh, **settings)
    try:
        yield made.start()
    finally:
        made.remove()


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """One platform shared by the whole session: tests make their own teams and pods in it."""
    with own_platform() as made:
        yield made
