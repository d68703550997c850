"""Dependency layers: which one fits a plan, and where that is remembered.

`<cache>/<team>/<app>/layers/<key>` holds the digest of a tree in the artifact store. The key is a digest of everything
the layer was made from; a file's time says when it was last of use.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from apps import artifacts
from apps.builds.detect.plan import Plan
from apps.core.paths import beneath


@dataclass(frozen=True, slots=True)
class Layer:
    """A stored tree of dependencies; `reused`: nothing had to be run for it."""

    digest: str
    reused: bool
    size: int = 0


def key(plan: Plan, app: Path, versions: Mapping[str, str]) -> str:
    """Equal keys: equal dependencies, whatever else has changed in the source."""
    inputs = {
        "install": plan.install,
        "versions": sorted(versions.items()),
        "platform": [platform.system(), platform.machine(), platform.libc_ver()],
        "files": dict(_digests(app, plan.lockfiles)),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def find(cache: Path, layer_key: str) -> Layer | None:
    """The layer made earlier for this key, if the store still has it."""
    index = cache / "layers" / layer_key
    try:
        digest = index.read_text()
        if not artifacts.artifacts().has(digest):
            return None
        os.utime(index)
    except FileNotFoundError:
        return None
    return Layer(digest, reused=True)


def remember(cache: Path, layer_key: str, digest: str) -> None:
    index = cache / "layers" / layer_key
    index.parent.mkdir(parents=True, exist_ok=True)
    beside = index.with_name(f".{layer_key}-{os.urandom(4).hex()}")
    beside.write_text(digest)
    beside.rename(index)


def remembered(caches: Path) -> set[str]:
    """The digests of all layers that an index still names, of all teams: those the store has to keep."""
    return {index.read_text() for index in caches.glob("*/*/layers/*") if not index.name.startswith(".")}


def forget_idle(caches: Path, *, older_than: float) -> None:
    """Drop the caches of apps that built nothing for `older_than` seconds, and layers unused for as long."""
    limit = time.time() - older_than
    for app in caches.glob("*/*"):
        for index in app.glob("layers/*"):
            if index.stat().st_mtime < limit:
                index.unlink(missing_ok=True)
        if (app / "packages").is_dir() and (app / "packages").stat().st_mtime < limit:
            shutil.rmtree(app / "packages", ignore_errors=True)


def _digests(app: Path, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        path = beneath(app, name, "build")
        if path.is_file():
            with path.open("rb") as file:
                yield name, hashlib.file_digest(file, "sha256").hexdigest()
        else:
            yield name, "absent"
