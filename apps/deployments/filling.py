"""What is put into databases once they run, before any app is started; who does it registers at start.

An app never sees a database that is half full: what raises here ends the deployment, and nothing of it is started.
"""

from __future__ import annotations

from collections.abc import Callable

from apps.deployments.recorder import Recorder
from apps.deployments.release import Release

Filler = Callable[[Recorder, Release], None]
_fillers: list[Filler] = []


def register(filler: Filler) -> None:
    if filler not in _fillers:
        _fillers.append(filler)


def fill(recorder: Recorder, release: Release) -> None:
    """May be called again for the same deployment, after a worker that died. Raises what a filler raises."""
    for filler in _fillers:
        filler(recorder, release)
