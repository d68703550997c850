"""Paths that come from repositories and users, resolved beneath a root they cannot leave."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from apps.core.errors import Detail, Invalid


def check_relative(path: str, field: str) -> str:
    """A relative path with no way up, written plainly: `apps/web`. Raises Invalid naming `field`."""
    parts = path.split("/")
    if path.startswith(("/", "-", "~")) or "\\" in path or "\0" in path or ".." in parts:
        raise Invalid([Detail(field, "must be a path inside the repository, such as apps/web.")])
    if any(ord(c) < 32 for c in path) or len(path) > 400:
        raise Invalid([Detail(field, "must be at most 400 plain characters.")])
    return "/".join(part for part in parts if part not in ("", "."))


def beneath(root: Path, path: str, field: str = "path") -> Path:
    """`path` resolved beneath `root`; symlinks may point anywhere beneath it and nowhere else.

    Raises Invalid naming `field` for a way out, and for devices, FIFOs and sockets.
    """
    real_root = Path(os.path.realpath(root))
    real = Path(os.path.realpath(real_root / check_relative(path, field)))
    if real != real_root and real_root not in real.parents:
        raise Invalid([Detail(field, f"{path} leads out of the repository.")])
    if real.exists() and not stat.S_ISREG(real.stat().st_mode) and not real.is_dir():
        raise Invalid([Detail(field, f"{path} is neither a file nor a directory.")])
    return real
