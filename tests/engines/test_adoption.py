"""What a SIGKILL of the engine's processes does to workloads: nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from apps.core.errors import Unavailable
from apps.engines.base import Peer, Size, State
from tests.engines.workloads import (
    connect,
    echo_server,
    echoes,
    name,
    processes,
    running,
    shell,
    texts,
    until,
    worker,
)
from tests.stack.engine import EngineAgent


@pytest.fixture(scope="module", params=["auto", "off"])
def agent(request: pytest.FixtureRequest) -> Iterator[EngineAgent]:
    agent = EngineAgent("--sandbox", request.param)
    try:
        agent.start()
        yield agent
    finally:
        agent.remove()


ASK = """
import socket, time
while True:
    try:
        with socket.create_connection(("{host}", 5432), 10) as sock:
            sock.sendall(b"x")
            print("reached" if sock.recv(1) == b"x" else "refused", flush=True)
    except OSError:
        print("refused", flush=True)
    time.sleep(0.1)
"""
COUNTING = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.002; done"


@pytest.mark.parametrize("end", ["kill", "leave"])
def test_an_agent_that_is_gone_changes_no_workload_and_loses_no_more_than_it_must(agent: EngineAgent, end: str) -> None:
    engine = agent.engine
    server, counter = engine.launch(echo_server()), engine.launch(worker(COUNTING))
    crashing = engine.launch(worker("echo once; exit 5"))
    until(lambda: engine.probe(server) is None, "the server")
    until(lambda: engine.status(crashing).state == State.RESTARTING, "the crash")
    until(lambda: len(texts(engine, counter)) > 100, "lines")
    since = engine.status(server).since
    with connect(server) as open_before:
        open_before.sendall(b"before")
        assert open_before.recv(6) == b"before"
        getattr(agent, end)()
        assert engine.status(server).state == State.UNKNOWN
        open_before.sendall(b"during")
        assert open_before.recv(6) == b"during"
        assert echoes(server, b"new connection without an agent")
        agent.start()
        open_before.sendall(b"after")
        assert open_before.recv(5) == b"after"
    assert set(engine.workloads()) == {server["id"], counter["id"], crashing["id"]}
    assert engine.status(server).state == State.RUNNING
    assert engine.status(server).since == since
    assert engine.status(crashing).exit_code == 5
    assert "next try in" in engine.status(crashing).reason
    seen = len(texts(engine, counter))
    until(lambda: len(texts(engine, counter)) > seen + 100, "more lines")
    lines = texts(engine, counter)
    numbers = [int(line.removeprefix("line ")) for line in lines if re.fullmatch(r"line \d+", line)]
    assert len(lines) - len(numbers) <= 1, "the rest of a line that was read in two pieces"
    assert numbers == sorted(set(numbers)), "in order, none twice"
    lost = sorted(set(range(1, numbers[-1] + 1)) - set(numbers))
    # SIGKILL may come between reading a pipe and writing what was read into the ring; nothing else is lost.
    assert lost == (list(range(lost[0], lost[0] + len(lost))) if lost and end == "kill" else [])
    assert len(lost) < 50
    assert engine.launch(echo_server(id=server["id"])) == server
    for handle in (server, counter, crashing):
        engine.stop(handle, 0)
    assert engine.workloads() == {}


@pytest.mark.parametrize("killed", ["agent", "keeper"])
def test_peers_stay_in_reach_whatever_is_killed(agent: EngineAgent, killed: str) -> None:
    engine, pod = agent.engine, name("pod")
    server = engine.launch(echo_server(pod=pod, name="db", port=5432))
    until(lambda: echoes(server), "the peer")
    ask = ASK.format(host=engine.peer_host(pod, "db"))
    asking = engine.launch(worker("", pod=pod, command=("python3", "-c", ask), peers=(Peer("db", 5432),)))
    until(lambda: texts(engine, asking)[-1:] == ["reached"], "an answer")
    if killed == "agent":
        agent.kill()
        agent.start()
    else:
        (old,) = agent.keepers()
        os.kill(old, signal.SIGKILL)
        until(lambda: agent.keepers() not in ([], [old]), "another keeper")
    seen = len(texts(engine, asking))
    until(lambda: "reached" in texts(engine, asking)[seen:], "another answer")
    for handle in (asking, server):
        engine.stop(handle, 0)


def test_what_ended_without_an_agent_is_noticed_by_the_next(agent: EngineAgent) -> None:
    engine = agent.engine
    handle = engine.launch(worker("echo up; sleep 2; exit 9"))
    until(lambda: texts(engine, handle) == ["up"], "its start")
    agent.kill()
    agent.start()
    until(lambda: engine.status(handle).state == State.RESTARTING, "the exit")
    assert engine.status(handle).exit_code in (9, None)
    engine.stop(handle, 0)


def test_a_killed_keeper_is_replaced(agent: EngineAgent) -> None:
    engine = agent.engine
    handle = engine.launch(echo_server())
    until(lambda: engine.probe(handle) is None, "the server")
    (old,) = agent.keepers()
    os.kill(old, signal.SIGKILL)
    until(lambda: agent.keepers() not in ([], [old]), "another keeper")
    until(lambda: echoes(handle), "traffic")
    agent.kill()
    agent.start()
    running(engine, handle)
    assert echoes(handle)
    engine.stop(handle, 0)


def test_an_agent_that_leaves_does_not_pretend_that_a_run_was_cancelled(agent: EngineAgent) -> None:
    engine = agent.engine
    server = engine.launch(echo_server())
    until(lambda: engine.probe(server) is None, "the server")
    begun: list[str] = []
    ended: list[str] = []

    def build() -> None:
        try:
            spec = shell("echo begun; sleep 600")
            engine.run_once(spec, on_line=begun.append, timeout=60, cancelled=lambda: False)
            ended.append("finished")
        except Unavailable as error:
            ended.append(error.code)

    client = threading.Thread(target=build)
    client.start()
    until(lambda: bool(begun), "the run")
    agent.leave()
    client.join(60)
    assert ended == ["engine_closing"]
    agent.start()
    running(engine, server)
    assert echoes(server)
    engine.stop(server, 0)


def test_a_run_ends_with_the_agent(agent: EngineAgent) -> None:
    mark = f"47{os.getpid()}"
    code = (
        "import sys; from pathlib import Path; from apps.engines.process.client import ProcessEngine\n"
        "from tests.engines.workloads import shell, run\n"
        f"run(ProcessEngine(Path(sys.argv[1])), shell('sleep {mark}'))"
    )
    client = subprocess.Popen([sys.executable, "-c", code, str(agent.socket)], stderr=subprocess.DEVNULL)
    try:
        until(lambda: processes("sleep", mark), "the run")
        agent.kill()
        assert client.wait(60) != 0
        agent.start()
        until(lambda: not processes("sleep", mark), "its end")
    finally:
        client.kill()
        client.wait(60)


@pytest.mark.parametrize("end", ["stop", "leave"])
def test_an_orderly_end_leaves_nothing_that_nobody_needs(end: str) -> None:
    agent = EngineAgent()
    try:
        agent.start()
        handle = agent.engine.launch(worker("trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"))
        until(lambda: texts(agent.engine, handle) == ["up"], "its start")
        if end == "leave":
            agent.engine.stop(handle, 5)
        getattr(agent, end)()
        assert agent.keepers() == []
        assert not list((agent.state / "run" / "w").iterdir())
        assert not list((agent.state / "engine" / "v").iterdir())
        assert not agent.socket.exists()
    finally:
        agent.remove()


def test_a_required_sandbox_that_cannot_be_had_starts_nothing() -> None:
    agent = EngineAgent("--sandbox", "required", "--bwrap", "/nonexistent/bwrap")
    try:
        agent.start()
        assert not agent.engine.check().sandbox
        with pytest.raises(Unavailable) as refusal:
            agent.engine.launch(worker("sleep 1"))
        assert refusal.value.code == "sandbox_required"
        assert agent.engine.workloads() == {}
    finally:
        agent.remove()


def test_a_terminal_ends_with_the_agent(agent: EngineAgent) -> None:
    engine = agent.engine
    handle = engine.launch(worker("exec sleep 600"))
    running(engine, handle)
    mark = f"35{os.getpid() % 10000:04d}{id(handle) % 1000:03d}"
    terminal = engine.attach(handle, ("sh", "-i"), name=name("t"), size=Size())
    try:
        text = f"(setsid sleep {mark} >/dev/null 2>&1 &); sleep {mark}\r".encode()
        until(lambda: terminal.write(text, 0.2) == len(text), "it to be taken")
        until(lambda: (terminal.read(0.1), len(processes("sleep", mark)) == 2)[1], "both processes")
        agent.kill()
        until(lambda: terminal.read(0.2) is None, "the end of the terminal")
        assert terminal.exit_code() is None
    finally:
        terminal.close()
        agent.start()
    until(lambda: not processes("sleep", mark), "the end of what it started")
    assert engine.status(handle).state == State.RUNNING
    engine.stop(handle, 0)
