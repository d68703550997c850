"""Real components, each started once a session, in the state directory that the tests' settings name.

`settings.VALKEY_URL` and the wiring's secret store therefore reach them without further ado; a test only has to
ask for the fixture.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings

from apps.infrastructure.embedded import files, process
from apps.infrastructure.embedded import openbao as embedded_openbao
from apps.infrastructure.embedded import valkey as embedded_valkey
from apps.secretstore.vault import Vault

pytest_plugins = ["tests.stack.platform"]
if importlib.util.find_spec("tests.stack.engine"):
    pytest_plugins.append("tests.stack.engine")


@contextmanager
def running(
    command: list[str], log: Path, ready: Callable[[], bool], seconds: float = 60
) -> Iterator[subprocess.Popen[bytes]]:
    """`command` in a session of its own, until the block ends; killed with this process in any case."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True, preexec_fn=process.dies_with_parent(),
        )  # fmt: skip
    try:
        wait_for(lambda: child.poll() is not None or ready(), seconds, f"{command[0]} to be ready; see {log}")
        if child.poll() is not None:
            pytest.fail(f"{command[0]} ended with {child.returncode}:\n{log.read_text(errors='replace')[-4000:]}")
        yield child
    finally:
        process.end_group(child.pid, signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            pass
        process.end_group(child.pid, signal.SIGKILL)
        child.wait(15)


def processes_with(words: str) -> list[int]:
    """The processes that have `words` in their command line, but this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if words.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def wait_for(condition: Callable[[], object], seconds: float = 30, what: str = "") -> None:
    """Return when `condition()` is true; fail naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s for {what or condition}")
        time.sleep(0.02)


@contextmanager
def running_valkey(state: Path) -> Iterator[str]:
    """A Valkey of its own in `state`; its URL."""
    embedded_valkey.prepare(state, memory_mb=128)
    with running(embedded_valkey.command(state), state / "log" / "valkey.log", lambda: embedded_valkey.ready(state)):
        yield embedded_valkey.url(state)


@contextmanager
def running_openbao(state: Path) -> Iterator[Vault]:
    """An OpenBao of its own in `state`, and the platform's way into it."""
    embedded_openbao.prepare(state)
    with running(embedded_openbao.command(state), state / "log" / "openbao.log", lambda: embedded_openbao.ready(state)):
        yield vault_of(state)


def vault_of(state: Path) -> Vault:
    way = embedded_openbao.access(state)
    return Vault(way.address, way.role_id, way.secret_id)


@pytest.fixture(scope="session")
def state() -> Path:
    """The state directory of the tests' settings."""
    return files.directory(Path(settings.BRAINPOD.state), 0o711)


@pytest.fixture(scope="session")
def valkey(state: Path) -> Iterator[str]:
    """The URL of a running Valkey: `settings.VALKEY_URL`."""
    with running_valkey(state) as url:
        yield url


@pytest.fixture(scope="session")
def openbao_server(state: Path) -> Iterator[Vault]:
    with running_openbao(state) as vault:
        yield vault


@pytest.fixture
def openbao(openbao_server: Vault) -> Vault:
    """The secret store: a running OpenBao, as the wiring would reach it."""
    return openbao_server


@pytest.fixture
def short_state() -> Iterator[Path]:
    """An empty state directory of this test alone, with a path short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="bp-s-"))
    os.chmod(made, 0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)
