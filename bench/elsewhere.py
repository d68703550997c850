"""Benchmarks on a platform of their own: on the Docker engine with a daemon, or beside an ACME server."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile

from django.conf import settings

from bench.ground import Ground
from bench.row import Row
from tests.stack.docker import BUSYBOX
from tests.stack.platform import ROOT

PATIENCE = 1200  # seconds
# An image that answers with a file, by a server of a few kilobytes.
DOCKERFILE = f"""FROM {BUSYBOX}
COPY index.html /www/index.html
USER 1000
CMD ["sh", "-c", "exec httpd -f -p $PORT -h /www"]
"""


def here() -> bool:
    """Whether this run's platform is the one with Docker."""
    return bool(settings.BRAINPOD.engine == "docker")


def on_docker(ground: Ground, name: str) -> Row:
    return measured(ground, name, on="docker")


def measured(ground: Ground, name: str, *, on: str) -> Row:
    """The row of benchmark `name`, measured by a run of its own; the platform of this one is stopped for it."""
    ground.stop()  # two platforms at once would share two cores
    given = {"--rounds": ground.rounds, "--redeploys": ground.redeploys, "--seconds": ground.seconds}
    options = [text for option, value in given.items() for text in (option, str(value))]
    command = [sys.executable, "-m", "bench", name, "--on", on, *options]
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


def files(word: str) -> dict[str, str]:
    """A repository whose image answers with `word`."""
    return {"Dockerfile": DOCKERFILE, "index.html": word}
