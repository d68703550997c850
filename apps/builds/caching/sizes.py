"""How large a cache is, part by part."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from apps.builds.caching import index


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes by part, without parts that are empty. `entries` are stored trees."""

    parts: dict[str, int]
    files: int
    entries: int

    @property
    def size(self) -> int:
        return sum(self.parts.values())


def of(directory: Path) -> Sizes:
    parts: dict[str, int] = {}
    files = entries = 0
    counted: set[tuple[str, str]] = set()
    for part, _, entry in index.every(directory):
        entries += 1
        if (part, entry.digest) not in counted:
            counted.add((part, entry.digest))
            parts[part] = parts.get(part, 0) + entry.size
            files += entry.files
    if directory.is_dir():
        for child in directory.iterdir():
            if child.is_dir() and child.name not in index.PARTS:
                parts[child.name], more = _walked(str(child))
                files += more
    return Sizes({name: size for name, size in parts.items() if size}, files, entries)


def _walked(directory: str) -> tuple[int, int]:
    """(bytes, files); what vanishes meanwhile is not counted."""
    size = files = 0
    waiting = [directory]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        files += 1
                        size += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return size, files
