"""`live_docker`: from a commit to its content for an app with a Dockerfile, on the Docker engine.

The platform of the other benchmarks runs processes; this one is measured on another, with a daemon of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

from django.conf import settings

from apps.builds.image import cli
from apps.core.ids import new_id
from apps.deployments.models import Deployment
from apps.infrastructure.embedded import files
from bench import probe
from bench.ground import Ground, stages
from bench.row import Row, take_turns
from tests.stack.docker import BUSYBOX
from tests.stack.platform import ROOT

TARGET = 1.3
PATIENCE = 1200
DOCKERFILE = f"""FROM {BUSYBOX}
COPY index.html /www/index.html
USER 1000
CMD ["sh", "-c", "exec httpd -f -p $PORT -h /www"]
"""


def measure(ground: Ground) -> Row:
    if settings.BRAINPOD.engine == "docker":
        return _measured(ground)
    ground.stop()  # two platforms at once would share two cores
    command = [sys.executable, "-m", "bench", "live_docker", "--engine", "docker", "--rounds", str(ground.rounds)]
    with tempfile.NamedTemporaryFile(suffix=".md") as results:
        done = subprocess.run(
            [*command, "--results", results.name], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(
            next((line for line in done.stderr.splitlines() if "could not be" in line), done.stderr[-2000:])
        )
    told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    del told["ratio"]
    return Row(**told)


def _measured(ground: Ground) -> Row:
    numbers = count()
    ground.commit("live-docker", _files("word-first"))
    pod = ground.pod("live-docker", "live-docker")
    ground.ready(ground.first(pod))
    ground.served(pod, "word-first")
    deployments: list[Deployment] = []

    def product() -> float:
        word = f"word-{next(numbers)}"
        commit = ground.commit("live-docker", _files(word))
        began = time.monotonic()
        deployments.append(ground.push(pod, commit))
        ground.served(pod, word)
        seconds = time.monotonic() - began
        ground.ready(deployments[-1])
        return seconds

    def limit() -> float:
        word = f"word-{next(numbers)}"
        ground.commit("live-docker", _files(word))
        return _by_hand(ground.repository("live-docker"), word)

    pair = take_turns(ground.rounds, product, limit)
    seconds, by_hand = pair.medians
    return Row(
        "live_docker", "s", seconds, f"≤ {TARGET}×", seconds <= TARGET * by_hand, by_hand,
        "by hand: clone, docker build, docker run", pair.samples(), stages(deployments, pair.product),
    )  # fmt: skip


def _files(word: str) -> dict[str, str]:
    return {"Dockerfile": DOCKERFILE, "index.html": word}


def _by_hand(repository: Path, word: str) -> float:
    client = cli.find()
    assert client is not None
    docker, host = client.program, ["--host", settings.BRAINPOD.docker_address]
    env = {**os.environ, "DOCKER_BUILDKIT": "1"}
    name, port = f"by-hand-{new_id()}", files.free_port()
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
