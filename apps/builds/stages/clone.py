"""clone: the files of the pinned commit."""

from __future__ import annotations

from apps import sources
from apps.builds.stages.room import Interrupted, Room
from apps.connections.access import Access
from apps.core.errors import UserError
from apps.sources.base import Commit


def run(
    room: Room, *, repo: str, commit: str, branch: str = "", submodules: bool = False, way: Access | None = None
) -> Commit:
    """Fill `room.source` with exactly `commit`, let in by `way`. Raises what Source.clone raises, and Interrupted."""
    room.check()
    room.write(f"Cloning {repo}" + (f", branch {branch}" if branch else ""))
    room.source.mkdir()
    try:
        found = sources.source().clone(
            repo, commit, room.source,
            branch=branch, submodules=submodules, on_line=room.write, cancelled=room.cancelled,
            credential=way.credential if way else None, for_submodule=way.for_submodule if way else None,
        )  # fmt: skip
    except UserError as error:
        if error.code == "cancelled":
            raise Interrupted from None
        raise
    room.write(f"{found.sha[:12]} {found.message} ({found.author})")
    return found
