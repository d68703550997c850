"""Railpack's plan with a real Docker daemon, as far as the daemon and the images that are at hand let it go.

RAILPACK_TEST_IMAGES: an archive of `docker save` with Railpack's frontend, builder and runtime images.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from apps import artifacts
from apps.builds.bundle import Manifest
from apps.builds.detect.plan import Overrides, Plan
from apps.builds.image import buildkit, choice, images, layers, stages
from apps.builds.image.railpack import preparing
from apps.builds.models import PushedImage
from apps.builds.stages import detect
from apps.core.errors import Invalid, UserError
from tests.builds.image.conftest import ImageBuilder, configure
from tests.builds.image.railpack.conftest import EXAMPLES, Prepare
from tests.stack.registry import RegistryServer

ANSWER = json.loads((Path(__file__).parent / "answers/python-fastapi.json").read_text())
SECRET = "s3cr3t-'quoted'-value"


def takes_frontends(builder: ImageBuilder) -> bool:
    try:
        choice.check_daemon(*images.version(builder.daemon.host))
    except Invalid:
        return False
    return True


def test_a_daemon_too_old_is_named_or_the_frontend_that_is_missing(
    builder: ImageBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not takes_frontends(builder):
        with pytest.raises(Invalid, match="Railpack's plans need Docker 23 or newer"):
            choice.check_daemon(*images.version(builder.daemon.host))
        return
    configure(monkeypatch, base_images="railpack-frontend=127.0.0.1:9/nowhere/railpack-frontend:1")
    room = builder.room()
    shutil.copytree(EXAMPLES / "python-fastapi", room.source)
    (room.directory(preparing.WORK) / preparing.PLAN).write_text(json.dumps(ANSWER["plan"]))
    job = stages.Job(room, Plan("python", "web", manager="Railpack 0.37.0"), {}, "shop-web", "1", railpack=True)
    try:
        stages.check(job)
        with pytest.raises(UserError) as caught:
            stages.build(job)
    finally:
        shutil.rmtree(room.workspace, ignore_errors=True)
    assert caught.value.code == "railpack_frontend_missing", builder.log


@pytest.fixture
def loaded(builder: ImageBuilder) -> ImageBuilder:
    """The builder whose daemon has Railpack's images."""
    archive = os.environ.get("RAILPACK_TEST_IMAGES")
    if not archive:
        pytest.skip("no archive of Railpack's images: RAILPACK_TEST_IMAGES")
    if not takes_frontends(builder):
        pytest.skip("the Docker daemon takes no other frontend")
    with open(archive, "rb") as file:
        builder.daemon.client().images.load(file)
    return builder


@pytest.fixture
def app(loaded: ImageBuilder, prepare: Prepare, mise: Path, tmp_path: Path) -> Path:
    """What can be built here: a script that shows what a build has made."""
    prepare(EXAMPLES / "shell-start")  # or skipped
    shutil.copytree(mise, loaded.home / "tools" / preparing.MISE)
    root = tmp_path / "app"
    root.mkdir()
    (root / "start.sh").write_text("cat made\n")
    return root


def test_an_app_is_built_by_the_frontend(loaded: ImageBuilder, app: Path) -> None:
    command = 'echo "seen: $TOKEN" && printf \'%s\' "${#TOKEN}" > made'
    first = built(loaded, app, env={"TOKEN": SECRET}, build=command)
    assert f"seen: {SECRET}" in loaded.lines
    assert held(loaded, first.image, "/app/made") == str(len(SECRET)).encode()
    assert first.start == ""
    found = loaded.daemon.client().api.inspect_image(first.image)
    assert set(images.labels(pod="pod0test")) <= {f"{k}={v}" for k, v in found["Config"]["Labels"].items()}
    assert (found["Config"]["Entrypoint"], found["Config"]["Cmd"][0][-8:]) == (["/bin/bash", "-c"], "start.sh")
    everything = b"".join(loaded.daemon.client().images.get(first.image).save())
    assert len(everything) > 1_000_000
    assert SECRET.encode() not in everything, "in no layer, no history"
    built(loaded, app, env={"TOKEN": SECRET}, build=command)
    assert f"seen: {SECRET}" not in loaded.lines, "the layer is kept"
    built(loaded, app, env={"TOKEN": "another"}, build=command)
    assert "seen: another" in loaded.lines, "a variable that changed makes it anew"
    loaded.team = "2"
    built(loaded, app, env={"TOKEN": SECRET}, build=command)
    assert f"seen: {SECRET}" in loaded.lines, "no layer of another team's"
    with pytest.raises(UserError) as caught:
        built(loaded, app, build="echo trouble; exit 7")
    assert caught.value.code == "build_failed"
    assert "The step exited with code 7." in loaded.lines


@pytest.mark.django_db
def test_a_daemon_with_nothing_takes_its_layers_from_the_registry(
    loaded: ImageBuilder, app: Path, registry: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not buildkit.leaves_layers(buildkit.daemon(loaded.daemon.host)):
        pytest.skip("needs docker buildx and a daemon with containerd's store of images")
    ours = registry.known()
    monkeypatch.setattr(artifacts, "registry", lambda: ours)
    command = 'echo "did-$((40+2))" && echo yes > made'
    built(loaded, app, build=command)
    assert "did-42" in loaded.lines
    assert PushedImage.objects.get(name__endswith=layers.STEPS).digest
    client = loaded.daemon.client()
    for row in PushedImage.objects.exclude(name__endswith=layers.STEPS):
        client.images.remove(row.name, force=True)
    client.api.prune_builds(all=True)
    built(loaded, app, build=command)
    assert "did-42" not in loaded.lines, "it was not done again"
    assert f"{command}: unchanged" in loaded.lines


def held(builder: ImageBuilder, image: str, path: str) -> bytes:
    """What stands in a file of the image."""
    client = builder.daemon.client()
    made = client.containers.create(image)
    try:
        chunks, _ = made.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            file = archive.extractfile(archive.getmembers()[0])
            assert file
            return file.read()
    finally:
        made.remove(force=True)


def built(builder: ImageBuilder, root: Path, *, env: dict[str, str] | None = None, build: str) -> Manifest:
    room = builder.room()
    shutil.copytree(root, room.source)
    try:
        plan = detect.run(room, overrides=Overrides(builder="railpack", build=build), builder="railpack")
        job = stages.Job(room, plan, env or {}, name="shop-web", tag=os.urandom(4).hex(), railpack=True)
        stages.check(job)
        assert "Railpack" in stages.install(job)
        stages.build(job)
        return stages.push(job)
    finally:
        shutil.rmtree(room.workspace, ignore_errors=True)
