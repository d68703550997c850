"""Directories and files of the state directory, made with the rights they must have."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def directory(path: Path, mode: int = 0o700) -> Path:
    """`path` as a directory with `mode`, whatever the umask was."""
    path.mkdir(parents=True, exist_ok=True, mode=mode)
    if path.stat().st_mode & 0o777 != mode:
        path.chmod(mode)
    return path


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    """Replace `path` in one step; never readable by others in between."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    beside.replace(path)
    return path


def keep(path: Path, make: str, mode: int = 0o600) -> str:
    """What `path` holds; `make` if it holds nothing yet."""
    if not path.exists():
        write(path, make, mode)
    return path.read_text()
