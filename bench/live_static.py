"""`live_static`: from a commit to its content for a Vite site whose dependencies are there; and the switch alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

from apps.deployments.models import Deployment
from bench.ground import Ground, stages, tree
from bench.row import Row, take_turns

TARGET = 1.4
SITE = {
    "package.json": json.dumps(
        {"name": "site", "private": True, "scripts": {"build": "vite build"}, "devDependencies": {"vite": "7.1.12"}}
    ),
    "main.js": 'document.body.append("hello");\n',
}


def page(word: str) -> dict[str, str]:
    return {"index.html": f"<!doctype html><title>{word}</title><script type=module src=/main.js></script>\n"}


def measure(ground: Ground) -> Row:
    numbers = count()
    npm = shutil.which("npm")
    if not npm:
        raise RuntimeError("npm is not installed")
    with tempfile.TemporaryDirectory(prefix="bp-b-") as work:
        reused = Path(work, "reused")
        _install(npm, reused)
        ground.commit("live-static", SITE | page("word-first"))
        pod = ground.pod("live-static", "live-static", type="static")
        ground.ready(ground.first(pod))
        deployments: list[Deployment] = []

        def product() -> float:
            word = f"word-{next(numbers)}"
            commit = ground.commit("live-static", SITE | page(word))
            began = time.monotonic()
            deployments.append(ground.push(pod, commit))
            ground.served(pod, word)
            seconds = time.monotonic() - began
            ground.ready(deployments[-1])
            return seconds

        def limit() -> float:
            word = f"word-{next(numbers)}"
            ground.commit("live-static", SITE | page(word))
            return _by_hand(npm, ground.repository("live-static"), reused / "node_modules", Path(work), word)

        pair = take_turns(ground.rounds, product, limit)
    seconds, by_hand = pair.medians
    return Row(
        "live_static", "s", seconds, f"≤ {TARGET}×", seconds <= TARGET * by_hand, by_hand,
        "by hand: clone, node_modules reused, npm run build", pair.samples(), stages(deployments, pair.product),
    )  # fmt: skip


def _install(npm: str, into: Path) -> None:
    with tree(SITE) as directory:
        shutil.copytree(directory, into)
    subprocess.run([npm, "install", "--no-audit", "--no-fund", "--silent"], cwd=into, check=True)


def _by_hand(npm: str, repository: Path, modules: Path, work: Path, word: str) -> float:
    made = Path(tempfile.mkdtemp(dir=work))
    try:
        began = time.monotonic()
        clone = ["git", "clone", "--quiet", "--depth=1", "--", f"file://{repository}", str(made / "site")]
        subprocess.run(clone, check=True)
        (made / "site" / "node_modules").symlink_to(modules)
        subprocess.run([npm, "run", "--silent", "build"], cwd=made / "site", check=True, stdout=subprocess.DEVNULL)
        assert word in (made / "site" / "dist" / "index.html").read_text()
        return time.monotonic() - began
    finally:
        shutil.rmtree(made, ignore_errors=True)
