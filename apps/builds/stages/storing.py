"""Trees into the store of artifacts, from where other hosts fetch them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from apps import artifacts
from apps.artifacts.base import Tree
from apps.artifacts.objects import ObjectsAway
from apps.artifacts.shared import NotShared
from apps.builds.stages.room import Room
from apps.core.errors import UserError

PAUSES = (1.0, 3.0, 6.0)  # seconds before each further try
LOOK = 0.2  # seconds between two questions whether the build was cancelled


def adopt(room: Room, directory: Path, *, outside: Sequence[str] = ()) -> Tree:
    """As the store's own, tried again for a while. Raises UserError("upload_failed"), Interrupted."""
    store = artifacts.artifacts()
    try:
        return store.adopt(directory, outside=outside)
    except NotShared as error:
        tree, said = error.tree, error.message
    for pause in PAUSES:
        room.write(f"{said.rstrip('.')}. Trying again in {pause:g} s.")
        _wait(room, pause)
        try:
            store.share(tree.digest)
        except ObjectsAway as error:
            said = error.message
        else:
            return tree
    raise not_stored("The store of artifacts", said)


def not_stored(who: str, why: str) -> UserError:
    """The failure of the catalogue, with what was said."""
    hint = "Deploy again; if it stays, have an operator look at the store's room and credentials."
    return UserError("upload_failed", f"{who} did not take what was built: {why.rstrip('.')}.", hint)


def _wait(room: Room, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        room.check()
        time.sleep(LOOK)
