"""On a real agent, beside the contract: it goes and comes back, others ask at once, it takes every job we make."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.core.errors import Unavailable, UserError
from apps.engines.base import Handle, LogLine, Mount, State
from apps.engines.nomad import once
from apps.engines.nomad.client import NomadEngine
from tests.engines.nomad.specs import HOSTILE, jobs
from tests.engines.workloads import echo_server, processes, run, running, shell, texts, until, worker
from tests.stack.nomad import NomadAgent, nomad_running

pytestmark = pytest.mark.nomad


@pytest.fixture(scope="module")
def own() -> Iterator[tuple[NomadEngine, NomadAgent]]:
    """An agent of this module's own, which its tests may end."""
    with nomad_running() as pair:
        yield pair


def test_apps_run_on_while_the_agent_is_away(own: tuple[NomadEngine, NomadAgent]) -> None:
    """A worker: this agent is server and node in one, which ends what is registered as a service (docs/nomad.md)."""
    engine, agent = own
    marker = f"41{os.getpid() % 10000:04d}{time.monotonic_ns() % 1000:03d}"
    spec = worker(f"echo up; exec sleep {marker}")
    handle = engine.launch(spec)
    until(lambda: texts(engine, handle) == ["up"], "its start")
    until(lambda: len(processes("sleep", marker)) == 1, "its process")
    before = processes("sleep", marker)
    stream = engine.stream_logs()
    ended = threading.Event()

    def follow() -> None:
        with pytest.raises(Unavailable):
            list(stream)
        ended.set()

    threading.Thread(target=follow, daemon=True).start()
    agent.stop()
    assert engine.status(handle).state == State.UNKNOWN
    assert processes("sleep", marker) == before, "what runs, runs on"
    with pytest.raises(Unavailable):
        engine.workloads()
    with pytest.raises(Unavailable):
        engine.stop(handle, 0)
    assert ended.wait(60), "the stream says that it ended"
    agent.start()
    agent.wait(lambda: engine.check().hosts)
    until(lambda: engine.status(handle).state == State.RUNNING, "it to be known again")
    assert engine.launch(spec) == handle
    assert len(engine.server.allocations(job=engine.names.job(handle["id"]))) == 1
    assert texts(engine, handle) == ["up"]
    assert processes("sleep", marker) == before
    engine.stop(handle, 5)


def test_many_launches_of_one_are_one(nomad_engine: NomadEngine) -> None:
    spec = echo_server()
    handles: list[Handle] = []
    threads = [threading.Thread(target=lambda: handles.append(nomad_engine.launch(spec))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert handles == [handles[0]] * 6
    assert len(nomad_engine.server.allocations(job=nomad_engine.names.job(spec.id))) == 1
    nomad_engine.stop(handles[0], 1)


def test_what_an_operator_stopped_is_gone_and_starts_again_with_its_numbers(nomad_engine: NomadEngine) -> None:
    engine = nomad_engine
    spec = worker("echo up; exec sleep 600")
    handle = engine.launch(spec)
    until(lambda: texts(engine, handle) == ["up"], "its start")
    engine.server.halt(engine.names.job(spec.id))
    until(lambda: engine.status(handle).state == State.GONE, "its end")
    assert engine.launch(spec) == handle
    until(lambda: texts(engine, handle)[-2:] == ["up", "up"], "the second start")
    numbers = [line.seq for line in engine.logs(handle)]
    assert numbers == sorted(set(numbers))
    engine.stop(handle, 1)


def test_hostile_variables_and_trees_with_links(nomad_engine: NomadEngine, tmp_path: Path) -> None:
    app = tmp_path / "it's $an app"
    (app / "bin").mkdir(parents=True)
    (app / "bin" / "real").write_text("#!/bin/sh\necho linked\n")
    (app / "bin" / "real").chmod(0o755)
    (app / "bin" / "tool").symlink_to("real")
    code = "import os, sys; sys.stdout.write('\\0'.join(os.environ[n] for n in sys.argv[1:])); sys.stdout.flush()"
    names = [name for name in HOSTILE if "PATHS" not in name]
    command = ("sh", "-c", 'tool; exec python3 -c "$0" "$@"', code, *names)
    spec = worker("", command=command, env=HOSTILE, mounts=(Mount(str(app), "/app"),), path=("/app/bin",))
    handle = nomad_engine.launch(spec)
    expected = "linked\n" + "\0".join(HOSTILE[name] for name in names)
    until(lambda: "\n".join(texts(nomad_engine, handle)) == expected, "every byte")
    nomad_engine.stop(handle, 0)


def test_a_run_that_nothing_can_take_says_so(nomad_engine: NomadEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "PLACED", 2.0)
    spec = shell("true", limits=replace(shell("").limits, memory=100_000_000))
    with pytest.raises(UserError) as refusal:
        run(nomad_engine, spec)
    assert refusal.value.code == "engine_no_room"
    assert "without enough memory free" in refusal.value.message
    assert not nomad_engine.server.jobs(nomad_engine.names.run(spec.id)), "nothing of it is left"


def test_runs_of_callers_that_died_are_forgotten(nomad_engine: NomadEngine) -> None:
    body = jobs()["run"] | {"ID": nomad_engine.names.run("orphan"), "Datacenters": ["dc1"]}
    body["Meta"]["brainpod_until"] = "1000000000"
    assert nomad_engine.server.register(body)
    assert run(nomad_engine, shell("echo x"))[1] == ["x"]
    assert not nomad_engine.server.jobs(nomad_engine.names.run("orphan"))


def test_connections_are_counted(nomad_engine: NomadEngine) -> None:
    handle = nomad_engine.launch(echo_server())
    until(lambda: nomad_engine.probe(handle) is None, "it to listen")
    host, _, port = handle["address"].rpartition(":")
    with socket.create_connection((host, int(port)), 30):
        until(lambda: (nomad_engine.connections(handle) or 0) >= 1, "the connection to be seen")
    until(lambda: nomad_engine.connections(handle) == 0, "it to be gone")
    nomad_engine.stop(handle, 1)


def test_the_stream_has_the_last_words(nomad_engine: NomadEngine) -> None:
    found: list[LogLine] = []
    stream = nomad_engine.stream_logs()
    handle = nomad_engine.launch(worker("trap 'printf bye; exit' TERM; echo up; while :; do sleep 0.1; done"))

    def collect() -> None:
        for name, line in stream:
            if name == handle["id"]:
                found.append(line)
            if line.text == "bye":
                return

    threading.Thread(target=collect, daemon=True).start()
    running(nomad_engine, handle)
    until(lambda: "up" in [line.text for line in found], "the first line")
    nomad_engine.stop(handle, 20)
    until(lambda: "bye" in [line.text for line in found], "the last line, which has no end")


@pytest.mark.parametrize("name", sorted(jobs()))
def test_nomad_takes_every_job(nomad_engine: NomadEngine, name: str) -> None:
    """As far as it checks without placing it."""
    body: dict[str, Any] = jobs()[name] | {"Namespace": "default", "Region": "global", "NodePool": "default"}
    said = nomad_engine.server.put("validate/job", {"Job": body})
    assert not said.get("Error"), said
