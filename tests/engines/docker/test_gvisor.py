"""Containers in another runtime: what Docker is told of it, with a stand-in for gVisor that notes what it is asked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.engines.workloads import echo_server, echoes, run, shell, texts, until, worker
from tests.stack.docker import DockerDaemon
from tests.stack.docker_engine import ImageEngine, Watching


def standing_in(place: Path) -> tuple[Path, Path]:
    """A program that does what runc does, and where it notes its arguments."""
    runc = shutil.which("runc", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if runc is None:
        pytest.skip("there is no runc here")
    program, notes = place / "runsc", place / "notes"
    program.write_text(f'#!/bin/sh\necho "$*" >> {notes}\nexec {runc} "$@"\n')
    program.chmod(0o755)
    return program, notes


def test_everything_runs_in_gvisor_where_the_daemon_has_it(
    docker_daemon: DockerDaemon, watched: tuple[ImageEngine, Watching], tmp_path: Path
) -> None:
    engine, _ = watched
    program, notes = standing_in(tmp_path)
    api = docker_daemon.client().api
    with docker_daemon.runtime("runsc", program):
        assert engine.check().version.endswith(", apps in gVisor")
        handle = engine.launch(echo_server())
        container = api.inspect_container(f"brainpod-{handle['id']}")
        assert container["HostConfig"]["Runtime"] == "runsc"
        until(lambda: engine.probe(handle) is None and echoes(handle), "the server")
        assert engine.connections(handle) == 0
        assert engine.exec(handle, ("echo", "beside")) == (0, "beside\n")
        asked = [line.split() for line in notes.read_text().splitlines() if container["Id"] in line]
        assert {"create", "start", "exec"} <= {word for line in asked for word in line}
        before = len(notes.read_text().splitlines())
        assert run(engine, shell("echo once"))[1] == ["once"]
        assert len(notes.read_text().splitlines()) > before, "runs too"
        engine.starter._runtime = "runc"  # BRAINPOD_DOCKER_RUNTIME
        plain = engine.launch(worker("echo plain; exec sleep 600"))
        until(lambda: texts(engine, plain) == ["plain"], "its words")
        assert api.inspect_container(f"brainpod-{plain['id']}")["Id"] not in notes.read_text()
        for one in (handle, plain):
            engine.stop(one, 0)
    assert "gVisor" not in engine.check().version
