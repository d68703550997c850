"""The engines the contract is held to."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.engines.base import Engine
from apps.engines.docker.client import DockerEngine
from apps.engines.process.client import ProcessEngine

DRIVERS = ("nomad_engine", "nomad_exec_engine", "nomad_docker_engine")
NOMAD = [pytest.param(name, marks=pytest.mark.nomad) for name in DRIVERS]
ENGINES = ["engine_agent", "plain_engine", "docker_engine", *NOMAD]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Every engine in turn. A test marked `no_docker` says why it is not held to this one."""
    _excuse(request)
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["engine_agent", "docker_engine"])
def sandboxed(request: pytest.FixtureRequest) -> Engine:
    """Every engine with a sandbox, or a skip that says why."""
    _excuse(request)
    engine: Engine = request.getfixturevalue(request.param)
    if not engine.check().sandbox:
        pytest.skip("this host lets no sandbox be made")
    return engine


def _excuse(request: pytest.FixtureRequest) -> None:
    marker = request.node.get_closest_marker("no_docker")
    if marker is not None and request.param == "docker_engine":
        pytest.skip(marker.args[0])


@pytest.fixture
def on_docker(request: pytest.FixtureRequest) -> bool:
    """Whether this run of a test is the Docker engine's: lines have times for numbers there, addresses are ports."""
    return "docker_engine" in request.node.callspec.params.values()


@pytest.fixture
def only_text(request: pytest.FixtureRequest) -> bool:
    """Whether variables of this engine travel as JSON, which has no bytes that are no text."""
    return any(str(name).startswith(("docker", "nomad")) for name in request.node.callspec.params.values())


@pytest.fixture
def state_of_engine(sandboxed: Engine) -> Path:
    """Where the sandboxed engine keeps everything."""
    if isinstance(sandboxed, DockerEngine):
        return sandboxed.starter.state
    assert isinstance(sandboxed, ProcessEngine)
    return sandboxed.path.parent.parent
