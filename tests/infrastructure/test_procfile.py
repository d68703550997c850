"""The Procfile, as another process manager would run it: every line by hand, with a PORT nobody asked for."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from apps.core.ports import free_port
from apps.infrastructure.embedded import openbao, process
from tests.stack.components import vault_of, wait_for
from tests.stack.platform import ROOT

pytestmark = pytest.mark.platform


def entries() -> dict[str, list[str]]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    pairs = (line.split(": ", 1) for line in lines if line and not line.startswith("#"))
    # The file names the environment of a checkout; the suite's own may be elsewhere.
    return {name: [sys.executable, *shlex.split(command)[1:]] for name, command in pairs}


@contextmanager
def running(name: str, command: list[str], state: Path, environment: dict[str, str]) -> Iterator[None]:
    with (state / f"{name}.out").open("ab") as out:
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True, preexec_fn=process.dies_with_parent(),
        )  # fmt: skip
    try:
        yield
        assert child.poll() is None, f"{name} ended with {child.poll()}"
    finally:
        process.end_group(child.pid, signal.SIGQUIT if name == "worker" else signal.SIGTERM)
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            pass
        process.end_group(child.pid, signal.SIGKILL)
        child.wait(60)


def test_the_lines_of_the_procfile_make_a_platform(short_state: Path) -> None:
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BRAINPOD_", "DATABASE_URL"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    environment = {
        **kept, "BRAINPOD_STATE": str(short_state), "BRAINPOD_PORT": str(port),
        "BRAINPOD_TLS_PORT": "0", "PORT": str(free_port()),
        "BRAINPOD_WORKERS": "1", "BRAINPOD_WEB_WORKERS": "1", "DJANGO_SETTINGS_MODULE": "brainpod.settings",
    }  # fmt: skip
    lines = entries()
    subprocess.run(lines.pop("release"), cwd=ROOT, env=environment, check=True, timeout=180)

    def said(name: str, word: str) -> bool:
        return word in (short_state / f"{name}.out").read_text(errors="replace")

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == 200
        except httpx.HTTPError:
            return False

    with ExitStack() as stack:
        for name, command in lines.items():
            stack.enter_context(running(name, command, short_state, environment))
        wait_for(lambda: openbao.ready(short_state), 120, "the secret store")
        assert vault_of(short_state).write("pods/x/y", {"A": "1"}) == 1
        wait_for(answers, 120, "the dashboard through nginx, with everything behind it")
        wait_for(lambda: said("worker", " succeeded in "), 120, "a task by the clock")
    with running("openbao", lines["openbao"], short_state, environment):  # a second start keeps what the first wrote
        wait_for(lambda: openbao.ready(short_state), 120, "the secret store again")
        assert vault_of(short_state).read("pods/x/y", 1) == {"A": "1"}
