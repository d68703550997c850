"""launch, status, stop: idempotent, and never saying more than is known."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from apps.engines.base import Engine, Limits, State
from apps.engines.process.client import ProcessEngine
from apps.engines.recovery import DELAY
from tests.engines.workloads import (
    PATIENCE,
    SERVER,
    connect,
    echo_server,
    echoes,
    name,
    processes,
    running,
    texts,
    until,
    worker,
)
from tests.stack.docker_engine import PYTHON

LAST = b"that was all"  # of the server that ends when it is sent this
MORTAL = SERVER.replace("connection.sendall(data)", f"connection.sendall(data) if data != {LAST!r} else os._exit(3)")


def test_a_second_launch_starts_nothing(engine: Engine) -> None:
    spec = worker("echo started; exec sleep 600")
    first = engine.launch(spec)
    running(engine, first)
    until(lambda: texts(engine, first), "output")
    assert engine.launch(spec) == first
    assert engine.workloads()[spec.id].state == State.RUNNING
    assert texts(engine, first) == ["started"]
    engine.stop(first, 0.5)


def test_an_image_that_is_there_is_fetched_in_silence(engine: Engine) -> None:
    said: list[str] = []
    engine.fetch(PYTHON, on_line=said.append, cancelled=lambda: False)
    assert said == []


def test_unknown_is_gone_and_stop_is_idempotent(engine: Engine) -> None:
    nobody = {"id": name()}
    assert engine.status(nobody).state == State.GONE
    engine.stop(nobody, 0)
    handle = engine.launch(worker("sleep 600"))
    engine.stop(handle, 0.2)
    engine.stop(handle, 0.2)
    assert engine.status(handle).state == State.GONE
    assert handle["id"] not in engine.workloads()


def test_no_agent_is_unknown(tmp_path: Path) -> None:
    status = ProcessEngine(tmp_path / "nobody.sock").status({"id": "x"})
    assert status.state == State.UNKNOWN
    assert "does not answer" in status.reason


def test_what_exits_is_restarted_after_the_delay_and_says_so(engine: Engine) -> None:
    handle = engine.launch(worker("echo once; exit 3"))
    until(lambda: engine.status(handle).state == State.RESTARTING, "the exit")
    status = engine.status(handle)
    assert status.exit_code == 3
    assert "exited with code 3; restarted 0 of 10 in this window, next try in" in status.reason
    until(lambda: any(line.stream == "engine" for line in engine.logs(handle)), "the engine's own words")
    assert texts(engine, handle) == ["once"]
    engine.stop(handle, 0)


def test_what_crashed_is_started_again_and_serves_as_before(engine: Engine) -> None:
    """After the policy's own delay, which nothing shortens: the second start is real."""
    handle = engine.launch(echo_server(command=("python3", "-c", MORTAL)))
    until(lambda: echoes(handle), "its first life")
    began = engine.status(handle).since
    with connect(handle) as sock:
        sock.sendall(LAST)
    until(lambda: engine.status(handle).state == State.RESTARTING, "its end")
    ended = time.monotonic()
    assert not echoes(handle)
    until(lambda: echoes(handle), "its second life", seconds=1.25 * DELAY + PATIENCE)
    assert time.monotonic() - ended > DELAY - 5  # the end was seen some time after it
    status = until(lambda: (now := engine.status(handle)).restarts and now, "the count")
    assert (status.state, status.restarts, status.address or handle["address"]) == (
        State.RUNNING, 1, handle["address"],
    )  # fmt: skip
    assert began is not None
    assert status.since is not None
    assert (status.since - began).total_seconds() > DELAY - 5
    assert texts(engine, handle) == ["listening", "listening"]
    engine.stop(handle, 0)
    assert not echoes(handle)


def test_stop_asks_first_and_kills_after_the_grace(engine: Engine, tmp_path: Path) -> None:
    polite = engine.launch(worker("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"))
    until(lambda: "up" in texts(engine, polite), "its start")
    began = time.monotonic()
    engine.stop(polite, 30)
    assert time.monotonic() - began < 25
    stubborn = engine.launch(worker("trap '' TERM; echo up; while :; do sleep 0.1; done"))
    until(lambda: "up" in texts(engine, stubborn), "its start")
    began = time.monotonic()
    engine.stop(stubborn, 0.5)
    assert 0.4 < time.monotonic() - began < 25
    assert engine.status(stubborn).state == State.GONE


def test_stop_leaves_no_process(engine: Engine) -> None:
    marker = f"31{os.getpid() % 10000:04d}{time.monotonic_ns() % 1000:03d}"
    handle = engine.launch(worker(f"sleep {marker} & (setsid sleep {marker} &) ; echo up; wait"))
    until(lambda: "up" in texts(engine, handle), "its start")
    until(lambda: len(processes("sleep", marker)) >= 2, "both processes")
    engine.stop(handle, 0.2)
    until(lambda: not processes("sleep", marker), "their end")


def test_exec_runs_beside_the_workload(engine: Engine) -> None:
    handle = engine.launch(worker("sleep 600", env={"COLOUR": "blue"}))
    running(engine, handle)
    code, output = engine.exec(handle, ("sh", "-c", "echo $COLOUR; exit 4"))
    assert (code, output) == (4, "blue\n")
    code, _ = engine.exec(handle, ("sleep", "600"), timeout=0.5)
    assert code == 124
    engine.stop(handle, 0)


def test_stats_count_what_runs(engine: Engine) -> None:
    handle = engine.launch(worker("sleep 600 & sleep 601"))
    running(engine, handle)
    until(lambda: (usage := engine.stats(handle)) and usage.processes >= 2, "two processes")
    engine.stop(handle, 0)
    assert engine.stats(handle) is None


def test_a_server_answers_at_its_address(engine: Engine) -> None:
    handle = engine.launch(echo_server())
    address = handle["address"]
    assert address.startswith(("unix:/", "127.0.0.1:", "10.213."))  # nothing outside this machine reaches it
    until(lambda: engine.probe(handle) is None, "it to listen")
    assert echoes(handle)
    assert echoes(handle, b"x" * 5_000_000)
    engine.stop(handle, 1)
    assert not Path(address.removeprefix("unix:")).exists()
    with pytest.raises(OSError, match=r"refused|No such file|No route"):
        connect(handle)


def test_probe_says_that_nothing_listens_yet(engine: Engine) -> None:
    handle = engine.launch(echo_server(command=("sleep", "600")))
    running(engine, handle)
    assert "listens on nothing yet" in (engine.probe(handle) or "")
    assert not echoes(handle)
    engine.stop(handle, 0)


def test_probe_names_the_wrong_port(sandboxed: Engine) -> None:
    text = "import socket,time; s=socket.create_server(('127.0.0.1',5000)); time.sleep(600)"
    handle = sandboxed.launch(echo_server(command=("python3", "-c", text)))
    until(lambda: "5000" in (sandboxed.probe(handle) or ""), "the port to show")
    assert sandboxed.probe(handle) == "listens on 127.0.0.1:5000, not on $PORT 8080"
    sandboxed.stop(handle, 0)


def test_one_workload_killed_is_that_workload_only(engine: Engine) -> None:
    other = engine.launch(worker("sleep 600"))
    running(engine, other)
    handle = engine.launch(worker(f"echo up; kill -{int(signal.SIGKILL)} $$"))
    until(lambda: engine.status(handle).state == State.RESTARTING, "the exit")
    assert engine.status(handle).exit_code == 137
    assert engine.status(other).state == State.RUNNING
    engine.stop(handle, 0)
    engine.stop(other, 0)


def test_a_workload_over_its_memory_says_so(engine: Engine) -> None:
    """Where a cgroup limits it. Elsewhere what asks for more is refused it, and ends by its own words."""
    code = "x = []\nwhile True: x.append(bytearray(8 << 20))"
    handle = engine.launch(worker("", command=("python3", "-c", code), limits=Limits(memory=64)))
    until(lambda: engine.status(handle).state == State.RESTARTING, "its end")
    if any("cgroup" in note for note in engine.check().notes):
        assert "exited with code 1;" in engine.status(handle).reason
        until(lambda: "MemoryError" in texts(engine, handle), "its own words")
    else:
        assert engine.status(handle).reason.startswith("out of memory; restarted 0 of 10")
    engine.stop(handle, 0)


def test_the_size_of_an_instance_limits_its_processes(sandboxed: Engine) -> None:
    # A shell that may not fork ends: the one around it is left, and needs no process for its own sleep.
    text = "(for i in $(seq 60); do sleep 600 & done) 2>/dev/null; exec sleep 600"
    handle = sandboxed.launch(worker(text, limits=Limits(processes=20)))
    running(sandboxed, handle)
    until(lambda: (usage := sandboxed.stats(handle)) and usage.processes > 2, "some of them")
    for _ in range(20):
        usage = sandboxed.stats(handle)
        assert usage is None or usage.processes <= 22
    sandboxed.stop(handle, 0)
