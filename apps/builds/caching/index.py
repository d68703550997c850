"""The entries of a cache on this machine: `<directory>/<part>/<key>` says which tree of the artifact store it is.

The key is a digest of everything the tree was made from. The file's time says when it was last of use.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LAYERS, INTERMEDIATES, OUTPUTS = PARTS = ("layers", "intermediates", "outputs")


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored tree; `facts` is what else has to be known to use it.

    `sent`: when the shared store was last told of it, in seconds since 1970; 0: never.
    """

    digest: str
    size: int = 0  # bytes
    files: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    sent: float = 0.0

    @property
    def digests(self) -> frozenset[str]:
        """Every tree that is needed."""
        return frozenset((self.digest, *self.facts.get("with", ())))


def read(directory: Path, part: str, key: str) -> Entry | None:
    return parse(_bytes(directory / part / key))


def parse(text: bytes) -> Entry | None:
    """None for what is no entry."""
    try:
        given = json.loads(text)
        entry = Entry(**given)
        sound = (
            isinstance(entry.digest, str)
            and isinstance(entry.size, int)
            and isinstance(entry.files, int)
            and isinstance(entry.facts, dict)
        )
        return entry if sound else None
    except (ValueError, TypeError):
        return None


def as_text(entry: Entry) -> bytes:
    return json.dumps(asdict(entry), sort_keys=True).encode()


def write(directory: Path, part: str, key: str, entry: Entry) -> None:
    index = directory / part / key
    index.parent.mkdir(parents=True, exist_ok=True)
    beside = index.with_name(f".{key}-{os.urandom(4).hex()}")
    beside.write_bytes(as_text(entry))
    beside.rename(index)


def touch(directory: Path, part: str, key: str) -> None:
    try:
        os.utime(directory / part / key)
    except FileNotFoundError:
        pass  # taken out a moment ago


def every(directory: Path) -> Iterator[tuple[str, Path, Entry]]:
    """(part, index file, entry) of a cache."""
    for part in PARTS:
        for path in sorted(directory.glob(f"{part}/*")):
            entry = None if path.name.startswith(".") else parse(_bytes(path))
            if entry:
                yield part, path, entry


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
