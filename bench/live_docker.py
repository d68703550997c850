"""`live_docker`: from a commit to its content for an app with a Dockerfile, on the Docker engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

from django.conf import settings

from apps.builds.image import cli
from apps.core.ids import new_id
from apps.core.ports import free_port
from apps.deployments.models import Deployment
from bench import elsewhere, probe
from bench.ground import Ground, stages
from bench.row import Row, take_turns

TARGET = 1.3


def measure(ground: Ground) -> Row:
    return _measured(ground) if elsewhere.here() else elsewhere.on_docker(ground, "live_docker")


def _measured(ground: Ground) -> Row:
    numbers = count()
    ground.commit("live-docker", elsewhere.files("word-first"))
    pod = ground.pod("live-docker", "live-docker")
    ground.ready(ground.first(pod))
    ground.served(pod, "word-first")
    deployments: list[Deployment] = []

    def product() -> float:
        word = f"word-{next(numbers)}"
        commit = ground.commit("live-docker", elsewhere.files(word))
        began = time.monotonic()
        deployments.append(ground.push(pod, commit))
        ground.served(pod, word)
        seconds = time.monotonic() - began
        ground.ready(deployments[-1])
        return seconds

    def limit() -> float:
        word = f"word-{next(numbers)}"
        ground.commit("live-docker", elsewhere.files(word))
        return _by_hand(ground.repository("live-docker"), word)

    pair = take_turns(ground.rounds, product, limit)
    seconds, by_hand = pair.medians
    return Row(
        "live_docker", "s", seconds, f"≤ {TARGET}×", seconds <= TARGET * by_hand, by_hand,
        "by hand: clone, docker build, docker run", pair.samples(), stages(deployments, pair.product),
    )  # fmt: skip


def _by_hand(repository: Path, word: str) -> float:
    client = cli.find()
    assert client is not None
    docker, host = client.program, ["--host", settings.BRAINPOD.docker_address]
    env = {**os.environ, "DOCKER_BUILDKIT": "1"}
    name, port = f"by-hand-{new_id()}", free_port()
    made = Path(tempfile.mkdtemp(prefix="bp-b-"))
    try:
        began = time.monotonic()
        clone = ["git", "clone", "--quiet", "--depth=1", "--", f"file://{repository}", str(made / "app")]
        subprocess.run(clone, check=True)
        build = [docker, *host, "build", "--quiet", "--tag", name, str(made / "app")]
        subprocess.run(build, env=env, check=True, stdout=subprocess.DEVNULL)
        run = [docker, *host, "run", "--detach", "--name", name, "--env", "PORT=8080"]
        subprocess.run(
            [*run, "--publish", f"127.0.0.1:{port}:8080", name], env=env, check=True, stdout=subprocess.DEVNULL
        )
        probe.until(port, "localhost", word, 60)
        return time.monotonic() - began
    finally:
        subprocess.run([docker, *host, "rm", "--force", name], env=env, check=False, capture_output=True)
        shutil.rmtree(made, ignore_errors=True)
