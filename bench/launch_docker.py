"""`launch_docker`: what `launch` measures, of a container, against `docker run` by hand."""

from __future__ import annotations

import subprocess
import time

from django.conf import settings

from apps.builds.image import cli
from apps.core.ids import new_id
from apps.core.ports import free_port
from apps.engines.base import LaunchSpec
from bench import elsewhere, probe
from bench.ground import Ground
from bench.launch import PATIENCE, launched
from bench.row import Row
from tests.stack.docker import BUSYBOX

NAME = "launch_docker"
COMMAND = ("sh", "-c", "echo ok > /tmp/index.html; exec httpd -f -p $PORT -h /tmp")


def measure(ground: Ground) -> Row:
    if not elsewhere.here():
        return elsewhere.on_docker(ground, NAME)
    spec = LaunchSpec("", "bench", COMMAND, {}, image=BUSYBOX, workdir="/", port=8080)
    return launched(ground, NAME, spec, _by_hand, "docker run")


def _by_hand() -> float:
    client = cli.find()
    assert client is not None
    docker = [client.program, "--host", settings.BRAINPOD.docker_address]
    name, port = f"by-hand-{new_id()}", free_port()
    run = [*docker, "run", "--detach", "--name", name, "--env", "PORT=8080", "--publish", f"127.0.0.1:{port}:8080"]
    try:
        began = time.monotonic()
        subprocess.run([*run, BUSYBOX, *COMMAND], check=True, stdout=subprocess.DEVNULL)
        probe.answering(f"127.0.0.1:{port}", PATIENCE)
        return time.monotonic() - began
    finally:
        subprocess.run([*docker, "rm", "--force", name], check=False, capture_output=True)
