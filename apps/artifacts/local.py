"""Artifacts in a directory of this host: `<root>/<hex>` is a tree, `<root>/.scratch` where trees are made."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from apps.artifacts.base import Tree
from apps.artifacts.trees import seal
from apps.core import claims
from apps.core.errors import PlatformError

_BATCH = 20  # trees removed between two pauses
_PAUSE = 0.2
_UNCLAIMED = 2 * 86400  # seconds; what versions before this one left, whose processes claimed nothing


class LocalArtifacts:
    """`outside`: what absolute links in a tree may point beneath: directories that are inside every sandbox."""

    def __init__(self, root: Path, *, outside: Sequence[str] = ("/app", "/layers", "/usr")) -> None:
        self.root = root
        self.outside = tuple(outside)
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o711)  # whoever knows a digest may read it; nobody may look around
        self._scratch = root / ".scratch"
        self._scratch.mkdir(exist_ok=True)
        self._scratch.chmod(0o711)

    def adopt(self, directory: Path, *, outside: Sequence[str] = ()) -> Tree:
        tree = seal(directory, (*self.outside, *outside))
        self._keep(directory, tree)
        return tree

    def _keep(self, directory: Path, tree: Tree) -> None:
        target = self._target(tree.digest)
        try:
            directory.rename(target)
        except OSError:
            if not target.is_dir():
                raise
            self._touch(target)
            self._remove(directory)
        else:
            self._touch(target)

    def share(self, digest: str) -> None:
        """There are no other hosts."""

    def path(self, digest: str) -> Path:
        target = self._target(digest)
        if not target.is_dir():
            raise PlatformError("artifact_missing", f"The artifact {digest[:19]} is not in the store.", "Deploy again.")
        return target

    def has(self, digest: str) -> bool:
        target = self._target(digest)
        if not target.is_dir():
            return False
        self._touch(target)
        return True

    def keep_only(self, digests: set[str], *, older_than: float) -> int:
        """Drop every tree not in `digests` and untouched for `older_than` seconds; bytes freed."""
        kept = {self._target(digest).name for digest in digests} | {self._scratch.name}
        limit = time.time() - older_than
        freed = 0
        old = [
            e for e in os.scandir(self.root) if e.name not in kept and e.stat(follow_symlinks=False).st_mtime < limit
        ]
        for number, entry in enumerate(old, start=1):
            freed += self._remove(Path(entry.path))
            if number % _BATCH == 0:
                time.sleep(_PAUSE)
        return freed

    def scratch(self, name: str) -> Path:
        made = claims.claim(self._scratch, self._prefix(name))
        made.chmod(0o711)
        return made

    def discard_scratch(self, name: str) -> None:
        for left in self._scratch.glob(f"{self._prefix(name)}*"):
            claims.end(left)

    def sweep_scratch(self) -> int:
        limit = time.time() - _UNCLAIMED
        old = [e for e in os.scandir(self._scratch) if not claims.is_claim(e.name) and _changed(e) < limit]
        for entry in old:
            shutil.rmtree(entry.path, ignore_errors=True)
        return len(old) + len(claims.sweep(self._scratch))

    @staticmethod
    def _prefix(name: str) -> str:
        return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:60] + "-"

    def _target(self, digest: str) -> Path:
        algorithm, _, name = digest.partition(":")
        if algorithm != "sha256" or len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise PlatformError("artifact_missing", f"{digest[:80]!r} is not the digest of an artifact.")
        return self.root / name

    @staticmethod
    def _touch(target: Path) -> None:
        """The time of last use is the directory's own: `keep_only` spares what was asked for lately."""
        try:
            os.utime(target)
        except FileNotFoundError:
            pass  # dropped a moment ago by keep_only; the next look finds it missing

    def _remove(self, directory: Path) -> int:
        """Renamed aside first, so that a tree is there whole or not at all; the bytes freed."""
        with claims.claimed(self._scratch, ".gone-") as grave:
            try:
                directory.rename(grave / "tree")
            except FileNotFoundError:
                return 0  # another remover was first
            files = (os.path.join(base, name) for base, _, names in os.walk(grave) for name in names)
            return sum(os.lstat(path).st_size for path in files)


def _changed(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return float("inf")  # removed meanwhile
