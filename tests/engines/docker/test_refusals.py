"""What the daemon refuses, in the platform's words; and what containers run in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from docker.errors import APIError

from apps.core.errors import PlatformError
from apps.engines.docker.client import DockerEngine
from apps.engines.docker.daemon import Daemon
from tests.stack.docker import DockerDaemon


@contextmanager
def refused(daemon: Daemon, words: str) -> Iterator[None]:
    """As docker-py says what the daemon answered."""
    with daemon.asking():
        raise APIError("500 Server Error", requests.Response(), words)
    yield


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("write /var/lib/docker/tmp/x: no space left on device", "engine_disk_full"),
        ("driver failed programming external connectivity", "engine_docker"),
    ],
)
def test_what_was_refused_is_named(docker_daemon: DockerDaemon, words: str, code: str) -> None:
    with pytest.raises(PlatformError) as caught, refused(Daemon(docker_daemon.host), words):
        pass
    assert caught.value.code == code
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("wanted", "runtimes", "runtime"),
    [
        ("auto", {"runc": {}}, ""),
        ("auto", {"runc": {}, "runsc": {}}, "runsc"),
        ("runc", {"runc": {}, "runsc": {}}, ""),
        ("runsc", {"runc": {}, "runsc": {}}, "runsc"),
        ("runsc", None, None),
    ],
)
def test_what_containers_run_in(tmp_path: Path, wanted: str, runtimes: Any, runtime: str | None) -> None:
    starter = DockerEngine("unix:///nowhere.sock", tmp_path, runtime=wanted).starter
    if runtime is not None:
        assert starter.runtime({"Runtimes": runtimes}) == runtime
        return
    with pytest.raises(PlatformError) as caught:
        starter.runtime({"Runtimes": runtimes})
    assert caught.value.code == "runtime_missing"


def test_without_the_runtime_that_is_asked_for_nothing_is_said_to_work(
    docker_daemon: DockerDaemon, tmp_path: Path
) -> None:
    notes = DockerEngine(docker_daemon.host, tmp_path, runtime="runsc").check().notes
    assert "No container can be made: The Docker daemon has no runtime runsc." in notes
