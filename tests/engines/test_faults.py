"""What happens to workloads when the machine beneath them fails: said in words, and nobody else is touched."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.builds import failures
from apps.engines.base import Engine, Finished, Limits, Mount, State
from apps.engines.process.client import ProcessEngine
from tests.engines.workloads import echo_server, echoes, name, running, texts, until, worker

EATER = "import time\nheld = []\nprint('up', flush=True)\nwhile True:\n    held.append(bytearray(8_000_000))\n"


@pytest.fixture
def full() -> Iterator[Path]:
    """A file system of one megabyte."""
    if os.getuid() != 0:
        pytest.skip("only root may mount one")
    at = Path(tempfile.mkdtemp(prefix="bp-f-", dir="/tmp"))
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0777", "brainpod-test", str(at)], capture_output=True, text=True
    )
    if done.returncode:
        at.rmdir()
        pytest.skip(f"nothing may be mounted here: {done.stderr}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)
        at.rmdir()


def ended(engine: Engine, handle: dict[str, object]) -> tuple[int | None, str, list[str]]:
    """The code, the reason and the lines of one that ends by itself."""
    until(lambda: engine.status(handle).state == State.RESTARTING, "its end")
    status = engine.status(handle)
    until(lambda: any(line.stream == "engine" for line in engine.logs(handle)), "the engine's words")
    return status.exit_code, status.reason, texts(engine, handle)


@pytest.mark.parametrize("which", ["engine_agent", "plain_engine"])
def test_one_that_takes_too_much_memory_is_told_so_and_its_neighbour_lives(
    which: str, request: pytest.FixtureRequest
) -> None:
    engine: ProcessEngine = request.getfixturevalue(which)
    neighbour = engine.launch(echo_server())
    until(lambda: echoes(neighbour), "the neighbour")
    handle = engine.launch(worker("", command=("python3", "-c", EATER), limits=Limits(memory=96)))
    code, reason, lines = ended(engine, handle)
    told = failures.explain("launch", lines, Finished(code or 0))
    assert reason.startswith("out of memory") or told.code == "out_of_memory", (code, reason, lines)
    assert engine.status(neighbour).restarts == 0
    assert echoes(neighbour)
    for one in (handle, neighbour):
        engine.stop(one, 0)


@pytest.mark.parametrize("which", ["engine_agent", "plain_engine"])
def test_a_full_disk_is_told_by_what_the_app_says(which: str, request: pytest.FixtureRequest, full: Path) -> None:
    engine: ProcessEngine = request.getfixturevalue(which)
    (full / "data").mkdir()
    at = "/data" if engine.check().sandbox else str(full / "data")
    mounts = (Mount(str(full / "data"), "/data", "write"),)
    handle = engine.launch(worker(f"dd if=/dev/zero of={at}/big bs=64k count=64", mounts=mounts))
    code, _, lines = ended(engine, handle)
    assert code not in (0, None)
    assert failures.explain("launch", lines, Finished(code or 1)).code == "disk_full", lines
    other = engine.launch(echo_server())
    until(lambda: echoes(other), "another app, on the same host")
    for one in (handle, other):
        engine.stop(one, 0)


def test_a_port_that_was_taken_meanwhile_is_not_tried_again(plain_engine: ProcessEngine) -> None:
    """Without a sandbox: between its choice and its use anybody on this host may take a port."""
    mark = Path("/tmp") / f"bp-{name('stolen')}"
    server = echo_server().command[2]
    waits = (
        "import os, socket, sys, time\n"
        f"mark = {str(mark)!r}\n"
        "print('port', os.environ['PORT'], flush=True)\n"
        "while not os.path.exists(mark):\n"
        "    try:\n"
        "        socket.create_connection(('127.0.0.1', int(os.environ['PORT'])), 1).close()\n"
        "        open(mark, 'w').close()\n"
        "    except OSError:\n"
        "        time.sleep(0.05)\n"
    )
    handle = plain_engine.launch(echo_server(command=("python3", "-c", waits + server)))
    try:
        [line] = until(lambda: texts(plain_engine, handle), "the port")
        taken = int(line.removeprefix("port "))
        with socket.create_server(("127.0.0.1", taken)):
            code, _, lines = ended(plain_engine, handle)
            assert failures.explain("launch", lines, Finished(code or 1)).code == "address_in_use", lines
            until(lambda: len(_ports(plain_engine, handle)) == 2, "the next start")
            assert _ports(plain_engine, handle)[1] != taken
            until(lambda: echoes(handle), "an answer, from the app itself")
    finally:
        plain_engine.stop(handle, 0)
        mark.unlink(missing_ok=True)


def _ports(engine: Engine, handle: dict[str, object]) -> list[int]:
    lines = texts(engine, handle)
    return [int(line.removeprefix("port ")) for line in lines if line.startswith("port ")]


def test_one_that_keeps_ending_leaves_the_others_alone(engine_agent: ProcessEngine) -> None:
    steady = engine_agent.launch(echo_server())
    until(lambda: echoes(steady), "the steady one")
    since = engine_agent.status(steady).since
    loops = [engine_agent.launch(worker("exit 1")) for _ in range(5)]
    for handle in loops:
        until(lambda handle=handle: engine_agent.status(handle).state == State.RESTARTING, "its end")  # type: ignore[misc]
        assert "restarted 0 of 10 in this window, next try in" in engine_agent.status(handle).reason
    running(engine_agent, steady)
    assert echoes(steady)
    assert (engine_agent.status(steady).since, engine_agent.status(steady).restarts) == (since, 0)
    for handle in (*loops, steady):
        engine_agent.stop(handle, 0)
