"""What the Docker engine's own tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stack.docker import DockerDaemon
from tests.stack.docker_engine import ImageEngine, Watching, engine_on


@pytest.fixture
def watched(docker_daemon: DockerDaemon, python_image: str) -> Iterator[tuple[ImageEngine, Watching]]:
    """An engine of the test's own, whose watcher it may end and start."""
    with engine_on(docker_daemon) as pair:
        yield pair
