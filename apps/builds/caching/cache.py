"""The cache as one build sees it: its own zone to read and write, production's to read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from apps import artifacts
from apps.artifacts.base import Tree
from apps.artifacts.objects import Objects, ObjectsAway
from apps.builds.caching import index, travel
from apps.builds.caching.index import Entry

log = structlog.get_logger(__name__)
MOST_COPIED = 256_000_000  # bytes of production's packages that a zone of its own begins with


@dataclass(frozen=True, slots=True)
class Shelf:
    """One place to look: a directory of this machine, and what its objects are called in a shared store."""

    directory: Path
    scope: str = ""


@dataclass(slots=True)
class Cache:
    """`trusted`: production's cache, of which nothing is ever changed. Not `on`: nothing is found, nothing is kept."""

    own: Shelf
    trusted: Shelf | None = None
    on: bool = True
    store: Objects | None = None
    write: Callable[[str], None] = lambda _: None
    state: str = ""  # for the log: "off", "cold (cleared 2 hours ago)"; empty: as usual
    _away: bool = False

    @property
    def directory(self) -> Path:
        """Where this build writes."""
        return self.own.directory

    def find(self, part: str, key: str, *, outside: Sequence[str] = ()) -> Entry | None:
        """What was kept for `key` in this zone, else in production's; fetched if only another machine has it."""
        if not self.on or not key:
            return None
        for shelf in self._shelves():
            entry = index.read(shelf.directory, part, key)
            if entry and all(artifacts.artifacts().has(digest) for digest in entry.digests):
                if shelf is self.own:
                    index.touch(shelf.directory, part, key)
                return entry
        return self._fetched(part, key, outside)

    def keep(self, part: str, key: str, tree: Tree, **facts: Any) -> None:
        if self.on and key:
            index.write(self.own.directory, part, key, Entry(tree.digest, tree.size, tree.files, facts))

    def packages(self) -> Path:
        """The package managers' own caches. A zone without any begins with a copy of production's."""
        mine = self.own.directory / "packages"
        if self.on and self.trusted and not mine.exists():
            _copy(self.trusted.directory / "packages", mine)
        mine.mkdir(parents=True, exist_ok=True)
        return mine

    def _shelves(self) -> tuple[Shelf, ...]:
        return (self.own, self.trusted) if self.trusted else (self.own,)

    def _fetched(self, part: str, key: str, outside: Sequence[str]) -> Entry | None:
        if self.store is None or self._away:
            return None
        for shelf in self._shelves():
            try:
                entry = travel.fetch(self.store, shelf.scope, part, key, outside=outside)
            except ObjectsAway as error:
                self._away = True
                log.warning("cache_store_away", error=str(error))
                self.write("Warning: the store of build caches does not answer; the build goes on without it.")
                return None
            if entry and all(artifacts.artifacts().has(digest) for digest in entry.digests):
                index.write(self.own.directory, part, key, entry)
                return entry
        return None


def _copy(source: Path, target: Path) -> None:
    """All or nothing: a copy, because whoever writes through a link writes what it leads to."""
    size = sum(p.lstat().st_size for p in source.rglob("*")) if source.is_dir() else 0
    if not 0 < size <= MOST_COPIED:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}-copy")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        shutil.copytree(source, beside, symlinks=True)
        beside.rename(target)
    except (OSError, shutil.Error):  # production's build goes on changing it meanwhile
        shutil.rmtree(beside, ignore_errors=True)
