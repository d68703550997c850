"""A room to build images in, with a real Docker daemon and base images made from this machine."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.conf import settings

from apps import artifacts
from apps.artifacts.local import LocalArtifacts
from apps.builds.bundle import Manifest
from apps.builds.caching.cache import Cache, Shelf
from apps.builds.detect.plan import Overrides, Plan
from apps.builds.image import stages
from apps.builds.stages import detect
from apps.builds.stages.room import Room
from apps.engines.base import Limits
from tests.builds.image import base_images
from tests.stack.docker import BUSYBOX, DockerDaemon

CA = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass
class ImageBuilder:
    """Builds a directory as the pipeline does; `lines` is the log of the last build."""

    daemon: DockerDaemon
    store: LocalArtifacts
    home: Path
    lines: list[str] = field(default_factory=list)
    cancelled: Callable[[], bool] = lambda: False
    seconds: float = 300
    team: str = "1"
    limits: Limits = field(default_factory=lambda: Limits(cpu=2, memory=4096, processes=2048))
    plan: Plan | None = None

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def room(self) -> Room:
        self.lines.clear()
        return Room(
            workspace=self.store.scratch("test"),
            caching=Cache(Shelf(self.home / "cache", f"{self.team}/pod0test/web/production/1")),
            pod="pod0test", write=self.lines.append, cancelled=self.cancelled, seconds=self.seconds,
            tools=self.home / "tools", limits=self.limits,
        )  # fmt: skip

    def build(
        self, root: Path, *, env: dict[str, str] | None = None, dockerfile: str = "", target: str = "",
        cache: bool = True, **overrides: str,
    ) -> Manifest:  # fmt: skip
        room = self.room()
        shutil.copytree(root, room.source, symlinks=True)
        try:
            wanted = dataclasses.replace(Overrides(builder="image", dockerfile=dockerfile), **overrides)
            self.plan = detect.run(room, overrides=wanted, builder="image")
            job = stages.Job(
                room, self.plan, env or {}, name="shop-web", tag=os.urandom(4).hex(), dockerfile=dockerfile,
                target=target, use_cache=cache,
            )  # fmt: skip
            stages.check(job)
            stages.install(job)
            stages.build(job)
            return stages.push(job)
        finally:
            shutil.rmtree(room.workspace, ignore_errors=True)

    def run(self, manifest: Manifest, *command: str) -> str:
        """What `command` prints in the image, or its own command if there is none."""
        client = self.daemon.client()
        started = client.containers.run(manifest.image, list(command) or None, detach=True, network_mode="none")
        try:
            ended = started.wait(timeout=120)
            said = started.logs().decode().strip()
        finally:
            started.remove(force=True)
        assert ended["StatusCode"] == 0, said
        return said


@pytest.fixture(scope="session")
def base(docker_daemon: DockerDaemon) -> str:
    """An image with a shell, Python and Node.js."""
    return base_images.debian(docker_daemon)


@pytest.fixture(scope="session")
def with_go(docker_daemon: DockerDaemon) -> str:
    return base_images.go(docker_daemon)


@pytest.fixture
def builder(docker_daemon: DockerDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageBuilder:
    store = LocalArtifacts(tmp_path / "artifacts")
    monkeypatch.setattr(artifacts, "artifacts", lambda: store)
    configure(monkeypatch, docker_host=docker_daemon.host, base_images="", build_ca=str(CA) if CA.exists() else "")
    return ImageBuilder(docker_daemon, store, tmp_path)


@pytest.fixture
def stacks(builder: ImageBuilder, base: str, monkeypatch: pytest.MonkeyPatch) -> ImageBuilder:
    """The builder where every stack begins with `base`."""
    configure(monkeypatch, base_images=f"*={base}")
    return builder


def configure(monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    monkeypatch.setattr(settings, "BRAINPOD", dataclasses.replace(settings.BRAINPOD, **values))


@pytest.fixture
def project(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    def make(files: dict[str, str]) -> Path:
        root = tmp_path / "project"
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return root

    return make


BUSY = f"FROM {BUSYBOX}\n"
