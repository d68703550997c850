"""The worker's processes: as many as may be needed at once, of which those that are not needed stay small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.concurrency import prefork


class TaskPool(prefork.TaskPool):  # type: ignore[misc]
    """Celery's own, but a task goes to the first free process, not to each in turn.

    What a process has once used it no longer shares with the others (about 10 MB), and its connection to the database
    stays open: while little is to do, the same few do it.
    """

    def register_with_event_loop(self, loop: Any) -> None:
        super().register_with_event_loop(loop)
        write: Callable[[list[int]], None] = loop.consolidate_callback
        loop.consolidate_callback = lambda pipes: write(sorted(pipes))  # of the processes that could be written to
