"""The state directory's disk is full: what serves goes on, what is new is refused in words, and all is well again."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apps.infrastructure.embedded import running
from apps.infrastructure.embedded.plan import Service
from tests.e2e.test_push_to_live import Repository, add, deploy, ended, looked_up, new_pod, request
from tests.edge.load import Load
from tests.stack.platform import Platform
from tests.stack.visitor import Visitor

SIZE_MB, SPARE_MB = 400, 60


@contextmanager
def small_disk(at: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own at the directory `at`, as long as the block lasts."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    told = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=711", "brainpod-test", str(at)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if told.returncode:
        pytest.skip(f"no file system can be mounted here: {told.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


class Ballast:
    """What else is on the disk."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._file = disk / "ballast"

    def leave(self, megabytes: int) -> None:
        """Take up all but that much; 0: until nothing more can be written."""
        with self._file.open("ab", buffering=0) as file:
            try:
                while megabytes == 0 or self.free > megabytes:
                    file.write(b"\0" * (2**20 if megabytes else 4096))
            except OSError:
                if megabytes:
                    raise

    @property
    def free(self) -> float:
        found = os.statvfs(self._disk)
        return found.f_bavail * found.f_frsize / 2**20

    def remove(self) -> None:
        self._file.unlink()


def wait_for(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.2)


@pytest.fixture
def platform() -> Iterator[Platform]:
    made = Platform(BRAINPOD_SPARE_MB=str(SPARE_MB))
    try:
        with small_disk(made.state, SIZE_MB):
            try:
                yield made.start()
            finally:
                made.stop()
                running.end_leftovers(made.state, lambda line: None)
    finally:
        made.remove()


def deploy_latest(visitor: Visitor) -> int:
    """The button on the app's page; the status of the answer."""
    visitor.get("/pods/small/resources/web/")
    return visitor.fill("/pods/small/deployments/", {}, has="latest").status_code


@pytest.mark.platform
def test_apps_serve_deployments_are_refused_and_it_recovers(platform: Platform, tmp_path: Path) -> None:
    visitor, ballast = Visitor(platform), Ballast(platform.state)
    repository = Repository(platform, tmp_path, "small")
    repository.push("first")
    new_pod(visitor, "small")
    add(visitor, "small", "App", "web", {"source.repo": repository.address})
    add(visitor, "small", "Route", "site", {"rules.0.path": "/", "rules.0.app": "web"})
    assert ended(visitor, deploy(visitor, "small")) == "ready"
    repository.push("second")
    with Load(platform.port, "small.localhost") as load:
        ballast.leave(SPARE_MB // 2)
        assert deploy_latest(visitor) == 507
        assert f"below {SPARE_MB} MB nothing new is built" in visitor.page.text

        ballast.leave(0)
        for _ in range(5):  # the platform goes on writing what it has to until nothing fits any more
            seen = load.answered
            wait_for(lambda seen=seen: load.answered > seen + 200, "more answers")  # type: ignore[misc]
            ballast.leave(0)
            assert "small" in visitor.get("/").text
        assert request(platform, "small.localhost")[1].startswith("first")
        assert deploy_latest(visitor) == 507
        assert "The platform&#39;s disk" in visitor.page.text

        ballast.remove()
        visitor.wait("/pods/small/resources/web/", "healthy", "Healthy")
        assert deploy_latest(visitor) == 200
        assert ended(visitor, looked_up(visitor)) == "ready", visitor.page.text
        assert request(platform, "small.localhost")[1].startswith("second")
    assert load.failures == []
    visitor.close()


def test_a_log_that_cannot_be_put_aside_is_emptied(tmp_path: Path) -> None:
    with small_disk(tmp_path, 8):
        service = running.Running(Service("engine", list, lambda: True, {}), tmp_path)
        service.log.parent.mkdir()
        service.log.write_bytes(b"x" * (running.LOG_BYTES + 1))
        service.rotate()
        assert service.log.stat().st_size == 0
        assert [path.name for path in service.log.parent.iterdir()] == ["engine.log"]
