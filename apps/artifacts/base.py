"""Content-addressed, immutable directory trees: artifacts and their layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Tree:
    """One stored tree. `digest` is `sha256:<hex>` over names, modes, symlinks and contents; `size` in bytes."""

    digest: str
    size: int
    files: int


class Artifacts(Protocol):
    def adopt(self, directory: Path, *, outside: Sequence[str] = ()) -> Tree:
        """Move `directory` in as an immutable tree (a rename: same file system); if it is there already, drop it.

        `outside`: absolute directories that absolute links may point beneath, beside those of every sandbox. Raises
        Invalid("artifact_escape") for links that lead out, devices, sockets, FIFOs; setuid bits are cleared. Raises
        NotShared where other hosts are to have it and it could not be sent: `share` tries that again.
        """
        ...

    def share(self, digest: str) -> None:
        """Have a tree of this host where other hosts find it. Raises ObjectsAway."""
        ...

    def path(self, digest: str) -> Path:
        """Where the tree is on this host. Raises PlatformError("artifact_missing")."""
        ...

    def has(self, digest: str) -> bool: ...

    def keep_only(self, digests: set[str], *, older_than: float) -> int:
        """Drop every tree not in `digests` and untouched for `older_than` seconds; bytes freed. Low priority."""
        ...

    def scratch(self, name: str) -> Path:
        """A new empty directory on the store's file system, from which `adopt` is a rename; this process's own."""
        ...

    def discard_scratch(self, name: str) -> None:
        """Remove every directory that `scratch(name)` made and nobody removed."""
        ...

    def sweep_scratch(self) -> int:
        """Remove the directories of processes that have ended, and nothing of one that lives; how many."""
        ...
