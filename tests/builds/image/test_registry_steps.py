"""Layers of all steps by the registry, where the client is buildx and the daemon has containerd's store of images.

Debian's are older: there the layers of an image alone travel (test_registry_layers.py), and these tests are skipped.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from apps import artifacts
from apps.builds.image import buildkit, layers
from apps.builds.models import PushedImage
from tests.builds.image.conftest import BUSY, ImageBuilder
from tests.stack.registry import PASSWORD, RegistryServer

pytestmark = pytest.mark.django_db
Project = Callable[[dict[str, str]], Path]
# What a step says is nowhere in its text; nothing of the first stage but one file is in the image.
DOCKERFILE = f"""{BUSY.strip()} AS made
COPY word /word
RUN echo did-$((40+2)) && cp /word /made
{BUSY.strip()}
COPY --from=made /made /made
COPY last /last
RUN mkdir -p /app && cp /made /app/
CMD ["cat", "/made"]
"""
RAN = "did-42"


@pytest.fixture(autouse=True)
def able(builder: ImageBuilder, registry: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    if not buildkit.leaves_layers(buildkit.daemon(builder.daemon.host)):
        pytest.skip("needs docker buildx and a daemon with containerd's store of images")
    ours = registry.known()
    monkeypatch.setattr(artifacts, "registry", lambda: ours)


@pytest.fixture
def root(project: Project, tmp_path: Path) -> Path:
    return project({"Dockerfile": DOCKERFILE, "word": tmp_path.name, "last": "one"})


def forget(builder: ImageBuilder) -> None:
    """The daemon is as new, but for the base image."""
    client = builder.daemon.client()
    for row in PushedImage.objects.exclude(name__endswith=layers.STEPS):
        client.images.remove(row.name, force=True)
    client.api.prune_builds(all=True)


def test_a_stage_that_is_in_no_image_is_not_made_again(builder: ImageBuilder, root: Path, tmp_path: Path) -> None:
    builder.build(root)
    assert RAN in builder.log
    row = PushedImage.objects.get(name__endswith=layers.STEPS)
    assert row.digest
    assert row.scope
    assert PASSWORD not in builder.log
    forget(builder)
    (root / "last").write_text("two")
    again = builder.build(root)
    assert RAN not in builder.log, builder.log
    assert builder.run(again) == tmp_path.name
    assert PushedImage.objects.filter(name__endswith=layers.DEPS).count() == 0


def test_static_files_too(builder: ImageBuilder, root: Path, tmp_path: Path) -> None:
    for _ in range(2):
        manifest = builder.build(root, kind="static", output="app")
        forget(builder)
    assert RAN not in builder.log, builder.log
    assert (builder.store.path(manifest.app) / "made").read_text() == tmp_path.name


def test_what_the_registry_has_lost_makes_it_slower_and_no_worse(
    builder: ImageBuilder, root: Path, registry: RegistryServer, tmp_path: Path
) -> None:
    builder.build(root)
    forget(builder)
    row = PushedImage.objects.get(name__endswith=layers.STEPS)
    assert registry.known().delete(row.repository, row.digest)
    shutil.rmtree(registry.root / "data/docker/registry/v2/blobs/sha256", ignore_errors=True)
    again = builder.build(root)
    assert RAN in builder.log
    assert builder.run(again) == tmp_path.name


def test_with_the_cache_off_none_are_left(builder: ImageBuilder, root: Path) -> None:
    builder.build(root, cache=False)
    assert not PushedImage.objects.exclude(scope="").exists()
