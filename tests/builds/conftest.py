"""A room to build in, with the real engine and hosted repositories."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from apps import artifacts, engines
from apps.artifacts.local import LocalArtifacts
from apps.artifacts.objects import Objects
from apps.builds.bundle import Manifest
from apps.builds.caching import outputs
from apps.builds.caching.cache import Cache, Shelf
from apps.builds.detect.plan import Overrides, Plan
from apps.builds.stages import build, clone, detect, install, push
from apps.builds.stages.install import Layer
from apps.builds.stages.room import Room
from apps.core.errors import UserError
from apps.engines.base import Limits
from apps.engines.process.client import ProcessEngine
from apps.sources.git import GitSource


@dataclass
class Builder:
    """Builds what `files` is given, as the pipeline does; `lines` is the log of the last build.

    `cache` is the directory of its zone, `scope` what that is called in `remote`; `trusted` is production's, where
    the build is of another zone.
    """

    store: LocalArtifacts
    source: GitSource
    cache: Path
    tools: Path
    lines: list[str] = field(default_factory=list)
    cancelled: Callable[[], bool] = lambda: False
    seconds: float = 120
    memory: int = 2048
    plan: Plan | None = None
    layer: Layer | None = None
    scope: str = "1/pod0test/app/production/1"
    trusted: Shelf | None = None
    remote: Objects | None = None

    def room(self, *, on: bool = True) -> Room:
        self.lines.clear()
        workspace = self.store.scratch("test")
        own = Shelf(self.cache if on else workspace / "cache", self.scope)
        cache = Cache(own, self.trusted, on, self.remote, self.lines.append, "" if on else "off")
        return Room(
            workspace=workspace, caching=cache, pod="pod0test", write=self.lines.append,
            cancelled=self.cancelled, seconds=self.seconds, tools=self.tools,
            limits=Limits(cpu=2, memory=self.memory, processes=512),
        )  # fmt: skip

    def build(
        self, root: Path, *, root_dir: str = "", env: dict[str, str] | None = None, cache: bool = True, **overrides: str
    ) -> Manifest:
        commit = self.source.hosted.commit_tree("acme", "app", root, "Test")
        room = self.room(on=cache)
        try:
            clone.run(room, repo="brainpod:acme/app", commit=commit)
            self.plan = detect.run(room, root_dir=root_dir, overrides=replace(Overrides(), **overrides))
            untouched = outputs.source(room, self.plan)
            self.layer = install.run(room, self.plan, env or {})
            digest = self.layer.digest if self.layer else ""
            output = outputs.expected(room, self.plan, env or {}, source=untouched, layer=digest)
            stored = output.find(room)
            if stored is None:
                build.run(room, self.plan, env or {}, self.layer)
            manifest = stored or push.run(room, self.plan, self.layer)
            output.keep(room, manifest, label=commit[:7])
            return manifest
        finally:
            shutil.rmtree(room.workspace, ignore_errors=True)

    def stored(self, digest: str) -> Path:
        return self.store.path(digest)


def unreachable(error: UserError) -> bool:
    """Whether the network is to blame, not what was asked of a registry."""
    away = re.search(
        r"registry did not .*(in time|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONN|dns error|tunnel)", error.message
    )
    return error.code == "network_timeout" or away is not None


@pytest.fixture
def builder(engine_agent: ProcessEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    store = LocalArtifacts(tmp_path / "artifacts")
    source = GitSource(tmp_path / "repositories")
    monkeypatch.setattr(engines, "engine", lambda: engine_agent)
    monkeypatch.setattr(artifacts, "artifacts", lambda: store)
    monkeypatch.setattr("apps.sources.source", lambda: source)
    return Builder(store, source, tmp_path / "cache/1/pod0test-app/production/g1", tmp_path / "tools")


@pytest.fixture
def project(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    def make(files: dict[str, str]) -> Path:
        root = tmp_path / "project"
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return root

    return make
