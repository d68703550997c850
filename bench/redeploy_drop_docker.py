"""`redeploy_drop_docker`: what `redeploy_drop` counts, of containers."""

from __future__ import annotations

from bench import elsewhere
from bench.ground import Ground
from bench.redeploy_drop import dropped
from bench.rollback import two_versions
from bench.row import Row

NAME = "redeploy_drop_docker"


def measure(ground: Ground) -> Row:
    if not elsewhere.here():
        return elsewhere.on_docker(ground, NAME)
    versions = [elsewhere.files("word-1"), elsewhere.files("word-2")]
    return dropped(ground, NAME, two_versions(ground, "redeploy", versions, None))
