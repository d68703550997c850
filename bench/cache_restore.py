"""`cache_restore`: the dependencies of a Node.js project back in place, out of the build cache."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from apps import artifacts, engines
from apps.builds import bundle
from apps.builds.caching import index, tending
from apps.builds.caching.cache import Cache, Shelf
from apps.builds.models import BuildCache
from apps.core.ids import new_id
from apps.engines.base import RunSpec
from apps.infrastructure.embedded import binaries
from bench.ground import Ground
from bench.row import Row, take_turns

TARGET_MS, TARGET_TIMES = 20, 50
TURNS = 10  # a round: each takes milliseconds
REINSTALLS = 1
PACKAGE = {
    "name": "restore", "version": "1.0.0", "private": True, "scripts": {"start": "node server.js"},
    "dependencies": {
        "react": "18.3.1", "react-dom": "18.3.1", "webpack": "5.95.0", "typescript": "5.6.3", "lodash": "4.17.21",
        "date-fns": "3.6.0", "express": "4.21.1", "@babel/preset-env": "7.25.9", "eslint": "8.57.1",
    },
}  # fmt: skip
SERVER = 'require("http").createServer((_, answer) => answer.end("word-restore")).listen(process.env.PORT, "0.0.0.0")\n'
SEEN = "node_modules/react/package.json"


def measure(ground: Ground) -> Row:
    with tempfile.TemporaryDirectory(prefix="bp-b-") as made:
        work = Path(made)
        lock = _locked(work)
        files = {"package.json": json.dumps(PACKAGE), "package-lock.json": lock, "server.js": SERVER}
        ground.commit("cache-restore", files)
        pod = ground.pod("cache-restore", "cache-restore")
        ground.ready(ground.first(pod))
        directory = tending.place(BuildCache.objects.get(pod=pod, app="web")).directory
        key, entry = next((path.name, entry) for part, path, entry in index.every(directory) if part == index.LAYERS)
        cache = Cache(Shelf(directory))
        found: list[float] = []
        whole: list[float] = []

        def product() -> float:
            began = time.monotonic()
            layer = cache.find(index.LAYERS, key)
            assert layer is not None
            found.append(time.monotonic() - began)
            whole.append(_sandbox(layer.digest))
            return (found[-1] + whole[-1] - _sandbox(None)) * 1000

        def limit() -> float:
            return (_by_hand(entry.digest, work) - _by_hand(None, work)) * 1000

        pair = take_turns(ground.rounds * TURNS, product, limit)
        again = median(_npm_ci(work) for _ in range(REINSTALLS)) * 1000
    restored, by_hand = pair.medians
    met = restored <= TARGET_MS and again >= TARGET_TIMES * restored
    ready = median(whole) * 1000
    return Row(
        "cache_restore", "ms", restored, f"≤ {TARGET_MS} ms; npm ci ≥ {TARGET_TIMES}× longer", met, None,
        "a mount by hand, npm ci: see below", pair.samples(),
        details={
            "what": f"{entry.files} files, {entry.size / 1e6:.0f} MB",
            "what an overlay adds to bubblewrap by hand": f"{by_hand:.1f} ms",
            "finding it alone": f"{median(found) * 1000:.2f} ms",
            "with the start of the sandbox that has them": f"{ready:.0f} ms",
            "npm ci, its cache warm": f"{again:.0f} ms: {again / ready:.0f}× as long as with that start",
        },
    )  # fmt: skip


def _sandbox(digest: str | None) -> float:
    """Seconds of what the build stage does: a sandbox, with the layer or without."""
    began = time.monotonic()
    spec = RunSpec(
        id=new_id(), pod="bench", command=("test", "-f", f"{bundle.DEPS}/{SEEN}" if digest else "/bin/sh"), env={},
        workdir="/", mounts=bundle.layer_mounts(digest), network=False,
    )  # fmt: skip
    done = engines.engine().run_once(spec, on_line=lambda _: None, timeout=60, cancelled=lambda: False)
    assert done.exit_code == 0
    return time.monotonic() - began


def _by_hand(digest: str | None, work: Path) -> float:
    began = time.monotonic()
    command = [str(binaries.resolve("bwrap").path), "--ro-bind", "/usr", "/usr"]
    for link in ("/bin", "/lib", "/lib64"):
        command += ["--symlink", f"usr{link}", link]
    if digest:
        command += ["--overlay-src", str(artifacts.artifacts().path(digest)), "--tmp-overlay", "/deps"]
    subprocess.run([*command, "--", "test", "-f", f"/deps/{SEEN}" if digest else "/bin/sh"], check=True, cwd=work)
    return time.monotonic() - began


def _locked(work: Path) -> str:
    """The lockfile, by the registry."""
    (work / "package.json").write_text(json.dumps(PACKAGE))
    _npm(work, "install", "--package-lock-only")
    _npm(work, "ci")  # fills the cache that `_npm_ci` finds warm
    return (work / "package-lock.json").read_text()


def _npm_ci(work: Path) -> float:
    """Seconds, the old modules moved out of the way before."""
    (work / "node_modules").rename(work / f"old-{new_id()}")
    began = time.monotonic()
    _npm(work, "ci")
    return time.monotonic() - began


def _npm(work: Path, *words: str) -> None:
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--cache", str(work / "cache"))
    subprocess.run(["npm", *words, *quiet], cwd=work, check=True, stdout=subprocess.DEVNULL)
