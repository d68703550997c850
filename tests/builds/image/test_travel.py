"""Images on their way by a real registry: pushed with credentials, pulled by digest, and what refuses them."""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from apps import artifacts
from apps.artifacts.oci import Registry
from apps.builds.bundle import Manifest
from apps.builds.image import images
from apps.builds.models import PushedImage
from apps.builds.stages.room import Interrupted
from apps.core.errors import UserError
from apps.core.ids import new_id
from apps.engines.base import RunSpec
from apps.engines.docker import transfer
from apps.engines.docker.client import DockerEngine
from tests.builds.image.conftest import BUSY, ImageBuilder
from tests.stack.registry import PASSWORD, USER, RegistryServer

pytestmark = pytest.mark.django_db
Project = Callable[[dict[str, str]], Path]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAUSES", (0.1, 0.1))


def use(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> Registry:
    monkeypatch.setattr(artifacts, "registry", lambda: registry)
    return registry


def built(builder: ImageBuilder, project: Project) -> tuple[Manifest, str]:
    """An image like no other, and what it prints."""
    word = new_id()
    root = project({"Dockerfile": f'{BUSY}RUN echo {word} > /word\nCMD ["cat", "/word"]\n'})
    return builder.build(root), word


@pytest.fixture
def engine(builder: ImageBuilder, registry: RegistryServer) -> Iterator[DockerEngine]:
    """As on another machine once the image is removed from the daemon."""
    state = Path(tempfile.mkdtemp(prefix="bp-tr-", dir="/tmp"))
    yield DockerEngine(builder.daemon.host, state, login=registry.known().login)
    shutil.rmtree(state, ignore_errors=True)


def fetched(engine: DockerEngine, image: str) -> list[str]:
    lines: list[str] = []
    engine.fetch(image, on_line=lines.append, cancelled=lambda: False)
    return lines


def test_what_is_pushed_is_pulled_by_digest_where_it_is_not(
    builder: ImageBuilder,
    registry: RegistryServer,
    engine: DockerEngine,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = use(monkeypatch, registry.known())
    manifest, word = built(builder, project)
    row = PushedImage.objects.get()
    assert manifest.image == row.reference
    assert manifest.image.startswith(f"{registry.prefix}/shop-web@sha256:")
    assert ours.digest(row.repository, row.tag) == row.digest
    assert f"Pushing to {row.name}" in builder.lines
    assert f"Pushed {row.digest[:19]} in " in builder.log
    assert PASSWORD not in builder.log
    assert fetched(engine, manifest.image) == [], "it is here"
    images.remove(builder.daemon.host, builder.daemon.client().images.get(row.name).id)
    with pytest.raises(docker.errors.ImageNotFound):
        builder.daemon.client().images.get(manifest.image)
    first, last = fetched(engine, manifest.image)
    assert first == f"Pulling {manifest.image}"
    assert last.startswith("Pulled in ")
    assert builder.run(manifest) == word


def test_without_the_credentials_nothing_is_pulled(
    builder: ImageBuilder, registry: RegistryServer, project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, registry.known())
    manifest, _ = built(builder, project)
    images.remove(builder.daemon.host, builder.daemon.client().images.get(PushedImage.objects.get().name).id)
    wrong = DockerEngine(builder.daemon.host, tmp_path, login=registry.known("wrong-password").login)
    with pytest.raises(UserError) as refusal:
        fetched(wrong, manifest.image)
    assert refusal.value.code == "image_pull_failed"
    assert "BRAINPOD_REGISTRY" in refusal.value.hint
    assert "wrong-password" not in str(refusal.value)


def test_what_is_in_no_registry_says_so(builder: ImageBuilder, engine: DockerEngine) -> None:
    with pytest.raises(UserError) as refusal:
        fetched(engine, f"sha256:{'0' * 64}")
    assert refusal.value.code == "image_pull_failed"
    assert "BRAINPOD_REGISTRY" in refusal.value.hint


@pytest.mark.parametrize("how", ["wrong password", "ended", "takes nothing"])
def test_a_registry_that_does_not_take_it(
    builder: ImageBuilder, registry: RegistryServer, project: Project, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    use(monkeypatch, registry.known("wrong-password" if how == "wrong password" else PASSWORD))
    if how != "wrong password":
        registry.stop()
    if how == "takes nothing":
        registry.start(readonly=True)
    with pytest.raises(UserError) as failure:
        built(builder, project)
    assert failure.value.code == "upload_failed"
    assert failure.value.message.startswith(f"The registry {registry.host} did not take what was built: ")
    assert "wrong-password" not in str(failure.value) + builder.log
    again = [line for line in builder.lines if "Trying again in" in line]
    assert len(again) == (2 if how == "ended" else 0) or how == "takes nothing"
    assert PushedImage.objects.get().digest == "", "it is known that something of it may be there"


def test_a_push_to_a_silent_registry_is_ended_at_once(
    builder: ImageBuilder, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(monkeypatch, Registry(f"127.0.0.1:{silent.getsockname()[1]}/brainpod", USER, PASSWORD))
        asked: list[float] = []

        def cancelled() -> bool:
            if not asked and any(line.startswith("Pushing to") for line in builder.lines):
                asked.append(time.monotonic())
            return bool(asked)

        builder.cancelled = cancelled
        with pytest.raises(Interrupted):
            built(builder, project)
        assert time.monotonic() - asked[0] < 30


def test_a_silent_registry_is_given_up(
    builder: ImageBuilder, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "QUIET", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(monkeypatch, Registry(f"127.0.0.1:{silent.getsockname()[1]}/brainpod", USER, PASSWORD))
        with pytest.raises(UserError) as failure:
            built(builder, project)
    assert failure.value.code == "upload_failed"


def test_a_launch_pulls_without_being_told_how_far_it_is(
    builder: ImageBuilder,
    registry: RegistryServer,
    engine: DockerEngine,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a reboot, when what served is started again."""
    use(monkeypatch, registry.known())
    manifest, word = built(builder, project)
    images.remove(builder.daemon.host, builder.daemon.client().images.get(manifest.image).id)
    lines: list[str] = []
    spec = RunSpec(
        id=f"run-{word}", pod="pod0test", command=("cat", "/word"), env={}, image=manifest.image, network=False
    )
    ended = engine.run_once(spec, on_line=lines.append, timeout=120, cancelled=lambda: False)
    assert (ended.exit_code, lines) == (0, [word])
