"""The disk of the Docker daemon is full: said in words, and what serves serves on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps import engines, secretstore
from apps.accounts.models import User
from apps.pods.models import HostName, Pod
from tests.deployments.test_on_docker import deploy, front, image, pod, sealed
from tests.edge.conftest import Stand
from tests.stack.docker import DockerDaemon, running_daemon
from tests.stack.docker_engine import engine_on

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["front", "pod"]
ROOM = 96  # MB


@pytest.fixture
def small(docker_daemon: DockerDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerDaemon]:
    """A daemon with little room, and the engine on it; that of the other tests stands aside."""
    docker_daemon.stop()
    try:
        with running_daemon(data_mb=ROOM) as daemon, engine_on(daemon) as (made, _):
            monkeypatch.setattr(engines, "engine", lambda: made)
            monkeypatch.setattr(secretstore, "secrets", lambda: None)  # nothing here has a secret
            yield daemon
            for workload in made.workloads():
                made.stop({"id": workload}, 0)
    finally:
        docker_daemon.start()


def fill(path: Path) -> None:
    """Until not a byte more fits."""
    with path.open("wb", buffering=0) as file:
        for size in (1_048_576, 4096, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue


def test_a_full_disk_fails_the_deployment_in_words_and_the_old_one_serves(
    small: DockerDaemon, front: Stand, pod: Pod, alice: User
) -> None:
    assert deploy(pod, sealed(pod, alice, "one"), image(small, "one"), alice).state == "ready"
    second, made = sealed(pod, alice, "two"), image(small, "two")
    host, ballast = HostName.objects.get(pod=pod).host, small.root / "data" / "ballast"
    fill(ballast)
    failed = deploy(pod, second, made, alice)
    assert (failed.state, failed.error_code) == ("failed", "engine_disk_full")
    assert "The Docker daemon's disk is full" in failed.error
    assert "no space left on device" in failed.error
    assert "docker system df" in failed.hint
    assert front.ask(host).text == "one\n"
    ballast.unlink()
    assert deploy(pod, second, "", alice).state == "ready"
    assert front.ask(host).text == "two\n"
