"""A whole deployment by Railpack, where Railpack, its images and a Docker daemon that takes its frontend are at hand.

RAILPACK_TEST_IMAGES: an archive of `docker save` with Railpack's frontend, builder and runtime images.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import pytest
from django.conf import settings

from apps.builds.image import choice, images
from apps.builds.image.railpack import preparing
from apps.builds.models import Build
from apps.core.errors import Invalid
from tests.builds.image.railpack.conftest import EXAMPLES, Prepare, mise, prepare
from tests.deployments.test_images_travel import Shop, engine, front, image_of, shop, told, went, with_app
from tests.stack.docker import DockerDaemon

__all__ = ["engine", "front", "mise", "prepare", "shop"]  # fixtures
pytestmark = pytest.mark.django_db(transaction=True)
START = "#!/bin/sh\nexec ./busybox httpd -f -p $PORT -h www\n"


@pytest.fixture
def planned(
    docker_daemon: DockerDaemon, shop: Shop, prepare: Prepare, mise: Path, monkeypatch: pytest.MonkeyPatch
) -> Shop:
    """Its app is planned by Railpack; what answers is in the repository: the stand-in images hold little."""
    archive = os.environ.get("RAILPACK_TEST_IMAGES")
    if not archive:
        pytest.skip("no archive of Railpack's images: RAILPACK_TEST_IMAGES")
    try:
        choice.check_daemon(*images.version(docker_daemon.host))
    except Invalid:
        pytest.skip("the Docker daemon takes no other frontend")
    prepare(EXAMPLES / "shell-start")  # or skipped
    monkeypatch.setattr(settings, "BRAINPOD", dataclasses.replace(settings.BRAINPOD, engine="docker"))
    with open(archive, "rb") as file:
        docker_daemon.client().images.load(file)
    shutil.copytree(mise, settings.BRAINPOD.state / "tools" / preparing.MISE, dirs_exist_ok=True)
    (shop.work / "start.sh").write_text(START)
    shutil.copy2(shutil.which("busybox") or "/bin/busybox", shop.work / "busybox")
    shop.page = "said.txt"  # with an index.html Railpack takes it for a static site
    return shop


def test_from_a_commit_to_what_answers(planned: Shop) -> None:
    build = {"builder": "railpack", "buildCommand": "mkdir -p www && cp said.txt www/index.html"}
    pod = with_app(planned, {"instance": ".25x", "build": build})
    first = pod.deploy("one")
    assert went(first) == ("ready", ""), told(first)
    assert pod.answer() == "one"
    plan = Build.objects.get(revision=first.revision).plan
    assert plan["manager"].startswith("Railpack ")
    second = pod.deploy("two")
    assert went(second) == ("ready", ""), told(second)
    assert pod.answer() == "two"
    assert image_of(first) != image_of(second)
    assert first.revision is not None
    assert went(pod.rollback(first.revision)) == ("ready", "")
    assert pod.answer() == "one"


def test_a_build_that_fails_leaves_what_was_live(planned: Shop) -> None:
    command = "mkdir -p www && cp said.txt www/index.html && ! grep -q three said.txt"
    build = {"builder": "railpack", "buildCommand": command}
    pod = with_app(planned, {"instance": ".25x", "build": build})
    assert went(pod.deploy("one")) == ("ready", "")
    assert went(pod.deploy("three")) == ("failed", "build_failed")
    assert pod.answer() == "one"
