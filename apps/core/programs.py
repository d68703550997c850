"""Programs of this host, and the versions they say they are."""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path

Version = tuple[int, ...]


@functools.cache
def version_of(path: Path, ask: str) -> str:
    """The first dotted number that the program prints when asked; empty when it does not run."""
    try:
        done = subprocess.run(
            [path, ask], capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+(?:\.\d+)+", done.stdout + done.stderr)
    return found.group() if found and done.returncode == 0 else ""


def numbers(version: str) -> Version:
    return tuple(int(part) for part in re.findall(r"\d+", version))
