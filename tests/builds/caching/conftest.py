"""An app with a build cache on this machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from apps import artifacts
from apps.accounts.models import Team
from apps.artifacts.base import Tree
from apps.artifacts.local import LocalArtifacts
from apps.builds.caching import index, tending
from apps.builds.models import Build, BuildCache
from apps.core.ids import new_id
from apps.pods.models import Pod
from brainpod.settings import BRAINPOD

Configure = Callable[..., None]


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settings with a state directory of the test's own, and an artifact store in it; called with what else to set."""
    state = tmp_path / "state"
    local = LocalArtifacts(state / "artifacts") if state.mkdir() is None else None
    monkeypatch.setattr(artifacts, "artifacts", lambda: local)
    overrides = []

    def apply(**fields: Any) -> None:
        override = override_settings(BRAINPOD=dataclasses.replace(BRAINPOD, state=state, **fields))
        override.enable()
        overrides.append(override)

    apply()
    yield apply
    for override in reversed(overrides):
        override.disable()


@pytest.fixture
def pod(team: Team) -> Pod:
    return Pod.objects.create(team=team, name=f"p{new_id().lower()}")


def build_of(pod: Pod, *, app: str = "web", zone: str = "production") -> Build:
    """A build that has not run."""
    version = pod.revisions.count() + 1
    revision = pod.revisions.create(version=version, sealed_at=timezone.now(), summary="test")
    return revision.builds.create(app=app, inputs="0", zone=zone)


def stored(text: str) -> Tree:
    """A tree in the store."""
    made = artifacts.artifacts().scratch("test") / "tree"
    made.mkdir()
    (made / "file").write_text(text)
    return artifacts.artifacts().adopt(made)


def cached(pod: Pod, app: str, *, layer: str = "", packages: str = "") -> BuildCache:
    """A cache that was used and measured: one layer and one package of these contents."""
    row, _ = BuildCache.objects.get_or_create(team=pod.team, pod=pod, app=app)
    directory = tending.place(row).directory
    (directory / "packages").mkdir(parents=True, exist_ok=True)
    (directory / "packages/one").write_text(packages)
    if layer:
        tree = stored(layer)
        index.write(directory, index.LAYERS, "key", index.Entry(tree.digest, tree.size, tree.files))
    BuildCache.objects.filter(pk=row.pk).update(last_used_at=timezone.now())
    tending.measure(row)
    row.refresh_from_db()
    return row
