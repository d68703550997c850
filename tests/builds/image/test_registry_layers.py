"""Layers by the registry: a daemon that has nothing builds as one that has built before."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone

from apps import artifacts
from apps.accounts.models import Team, User
from apps.builds.caching import tending
from apps.builds.caching.cache import Cache, Shelf
from apps.builds.image import layers, pruning
from apps.builds.models import BuildCache, PushedImage
from apps.builds.stages.room import Room
from apps.core.ids import new_id
from apps.pods import actions as pods
from tests.builds.image.conftest import BUSY, ImageBuilder
from tests.stack.registry import PASSWORD, RegistryServer

pytestmark = pytest.mark.django_db
Project = Callable[[dict[str, str]], Path]
# What a step says is nowhere in its text, so that it stands in a log only where the step ran.
DOCKERFILE = f'{BUSY}COPY word /word\nRUN echo did-$((40+2)) && cp /word /made\nCMD ["cat", "/made"]\n'
RAN = "did-42"


@pytest.fixture(autouse=True)
def known(registry: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = registry.known()
    monkeypatch.setattr(artifacts, "registry", lambda: ours)


@pytest.fixture
def root(project: Project, tmp_path: Path) -> Path:
    return project({"Dockerfile": DOCKERFILE, "word": tmp_path.name})


def forget(builder: ImageBuilder) -> None:
    """The daemon is as new, but for the base image."""
    client = builder.daemon.client()
    for row in PushedImage.objects.all():
        client.images.remove(row.name, force=True)
    client.api.prune_builds()
    client.api.prune_builds(all=True)


def test_a_daemon_with_nothing_takes_them_from_the_registry(builder: ImageBuilder, root: Path, tmp_path: Path) -> None:
    builder.build(root)
    assert RAN in builder.log
    forget(builder)
    again = builder.build(root)
    assert RAN not in builder.log, builder.log
    assert "unchanged" in builder.log
    assert PASSWORD not in builder.log
    assert builder.run(again) == tmp_path.name


def test_dependencies_are_taken_though_the_source_has_changed(stacks: ImageBuilder, project: Project) -> None:
    files = {"requirements.txt": "", "main.py": "print('one')\n", "Procfile": "web: python main.py\n"}
    installs = "$ uv pip install"
    stacks.build(project(files))
    assert installs in stacks.log
    assert PushedImage.objects.filter(name__endswith=layers.DEPS).count() == 1
    forget(stacks)
    again = stacks.build(project(files | {"main.py": "print('two')\n"}))
    assert installs not in stacks.log, stacks.log
    assert stacks.run(again) == "two"


def test_another_zone_takes_none_of_production(
    builder: ImageBuilder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.build(root)
    production = set(PushedImage.objects.values_list("scope", flat=True))
    forget(builder)
    plain = builder.room

    def fork() -> Room:
        shelf = Shelf(builder.home / "fork", "1/pod0test/web/fork-7/1")
        return dataclasses.replace(plain(), caching=Cache(shelf))

    monkeypatch.setattr(builder, "room", fork)
    builder.build(root)
    assert RAN in builder.log
    mine = set(PushedImage.objects.values_list("scope", flat=True)) - production
    assert len(mine) == 1
    ours = artifacts.registry()
    assert ours is not None
    theirs = layers.known(ours, *production, steps=True)
    assert not set(layers.known(ours, *mine, steps=True)) & set(theirs)


def test_with_the_cache_off_none_are_taken_and_none_left(builder: ImageBuilder, root: Path) -> None:
    builder.build(root)
    forget(builder)
    builder.build(root, cache=False)
    assert RAN in builder.log
    assert PushedImage.objects.exclude(scope="").count() == 1


@pytest.mark.parametrize("how", ["gone", pytest.param("without its layers", marks=pytest.mark.heavy)])
def test_what_the_registry_has_lost_makes_it_slower_and_no_worse(
    builder: ImageBuilder, root: Path, registry: RegistryServer, tmp_path: Path, how: str
) -> None:
    builder.build(root)
    forget(builder)
    if how == "gone":
        row = PushedImage.objects.get()
        assert registry.known().delete(row.repository, row.digest)
    else:
        blobs = registry.root / "data/docker/registry/v2/blobs/sha256"
        large = [path for path in blobs.rglob("data") if path.read_bytes()[:2] == b"\x1f\x8b"]
        assert large
        for path in large:
            shutil.rmtree(path.parent)
    again = builder.build(root)
    assert RAN in builder.log
    assert builder.run(again) == tmp_path.name


def test_the_newest_are_kept_as_long_as_their_cache_is(
    builder: ImageBuilder, root: Path, team: Team, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = pods.create_pod(team=team, name=f"p{new_id()}", by=alice)
    cache = BuildCache.objects.create(team=pod.team, pod=pod, app="web", last_used_at=timezone.now())
    place, plain = tending.place(cache), builder.room
    shelf = Shelf(builder.home / "kept", place.scope)
    monkeypatch.setattr(builder, "room", lambda: dataclasses.replace(plain(), caching=Cache(shelf)))
    builder.build(root)
    (root / "word").write_text("another")
    builder.build(root)
    pruning.sweep(older_than=-60)
    last = PushedImage.objects.get()
    registry = artifacts.registry()
    assert registry is not None
    assert layers.known(registry, last.scope, steps=False) == (last.reference,)
    assert registry.digest(last.repository, last.tag) == last.digest
    cache.delete()
    pruning.sweep(older_than=-60)
    assert not PushedImage.objects.exists()
