"""`build_churn`: whether builds become slower by what those before them left and had cleaned up."""

from __future__ import annotations

import json

from apps import artifacts
from apps.builds.caching import opening, sweep
from apps.builds.models import Build
from apps.deployments.models import Deployment
from apps.pods.models import Pod
from bench.ground import Ground
from bench.row import Pair, Row

TARGET = 1.2
BUILDS = 10
MOST = 3  # rounds
# Dependencies without a registry, whose speed is none of ours.
INSTALL = """const fs = require("fs");
for (let p = 0; p < 300; p++) {
  fs.mkdirSync(`node_modules/p${p}/lib`, { recursive: true });
  for (let n = 0; n < 20; n++)
    fs.writeFileSync(`node_modules/p${p}/lib/${n}.js`, `// ${process.argv[2] || ""} ${Math.random()}\\n`.repeat(200));
}
"""
SERVER = 'require("http").createServer((_, a) => a.end("ok")).listen(process.env.PORT, "0.0.0.0")\n'
PACKAGE = {"name": "churn", "version": "1.0.0", "scripts": {"start": "node server.js"}}


def measure(ground: Ground) -> Row:
    pair = Pair([], [])
    every: list[float] = []
    for number in range(min(MOST, ground.rounds)):
        seconds = _one_after_the_other(ground, f"churn-{number}")
        pair.limit.append(seconds[0])
        pair.product.append(seconds[-1])
        every = seconds
    last, first = pair.medians
    return Row(
        "build_churn", "s", last, f"≤ {TARGET}×", last <= TARGET * first, first, "the first build", pair.samples(),
        details={
            "what": "clone to push; 6,000 files installed, stored, served, cleaned up",
            "each of the last round": ", ".join(f"{one:.2f}" for one in every),
        },
    )  # fmt: skip


def _one_after_the_other(ground: Ground, name: str) -> list[float]:
    ground.commit(name, _files(0))
    pod = ground.pod(name, name, build={"installCommand": "node install.js"})
    deployments = [ground.ready(ground.first(pod))]
    for number in range(1, BUILDS):
        _clean_up(pod)
        commit = ground.commit(name, _files(number))
        deployments.append(ground.ready(ground.push(pod, commit)))
    return [_built(one) for one in deployments]


def _files(number: int) -> dict[str, str]:
    return {
        "package.json": json.dumps(PACKAGE | {"description": str(number)}), "install.js": INSTALL, "server.js": SERVER,
    }  # fmt: skip


def _clean_up(pod: Pod) -> None:
    """What the sweep does, at once: the cache is cleared, and every tree removed but those of what runs."""
    opening.clear(pod=pod, app="web", by=None)
    sweep.sweep()
    pod.refresh_from_db()
    newest = Build.objects.filter(revision__pod=pod, artifact__isnull=False).order_by("-id").first()
    assert newest is not None
    assert newest.artifact is not None
    others = Build.objects.exclude(revision__pod=pod).filter(artifact__isnull=False)
    kept = [newest.artifact.manifest, *others.values_list("artifact__manifest", flat=True)]
    digests = {digest for manifest in kept for digest in (manifest.get("app"), manifest.get("deps")) if digest}
    artifacts.artifacts().keep_only(digests | sweep.named(), older_than=0)


def _built(deployment: Deployment) -> float:
    stages = ("clone", "detect", "install", "build", "push")
    return sum(run.seconds or 0.0 for run in deployment.stages.filter(app="web", stage__in=stages))
