"""The worker's processes: as many as are needed at once, of which those that are not needed stay small, then end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from celery.concurrency import asynpool, prefork
from celery.worker import autoscale
from kombu.asynchronous import get_event_loop


class Processes(asynpool.AsynPool):  # type: ignore[misc]
    """Celery's own, but of the idle processes the youngest end, and none that was given a task."""

    def _iterinactive(self) -> Iterator[Any]:
        # A task counts as its process's from the moment it is written to it; Celery waits until it is acknowledged.
        given = {process for job in self._cache.values() for process in (job._write_to, job._scheduled_for)}
        return (process for process in reversed(list(super()._iterinactive())) if process not in given)

    def destroy_queues(self, queues: Any, process: Any) -> int:
        # Celery keeps the number of the pipe that results of a killed process came by. After the broker was away it
        # reads that number again, which by then may be a pipe that nothing comes by, and the worker waits for ever.
        if self._fileno_to_outq.get(process.outqR_fd) is process:
            del self._fileno_to_outq[process.outqR_fd]
        destroyed: int = super().destroy_queues(queues, process)
        return destroyed


class TaskPool(prefork.TaskPool):  # type: ignore[misc]
    """Celery's own, but a task goes to the first free process, not to each in turn.

    What a process has once used it no longer shares with the others (15 to 40 MB), and its connection to the database
    stays open: while little is to do, the same few do it.
    """

    Pool = Processes

    def register_with_event_loop(self, loop: Any) -> None:
        super().register_with_event_loop(loop)
        write: Callable[[list[int]], None] = loop.consolidate_callback
        loop.consolidate_callback = lambda pipes: write(sorted(pipes))  # of the processes that could be written to


class Autoscaler(autoscale.Autoscaler):  # type: ignore[misc]
    """A process more for each task that finds none free; half a minute after the last of these, what is needed is left.

    Celery's own begins a process for whatever comes, and ends none until no task has come for that long. Here many
    periodic tasks come at once, every few seconds, and are done in no time: that is no reason for either.
    """

    PATIENCE = 0.1  # seconds that a task waits for a process that is there

    def maybe_scale(self, req: Any = None) -> None:
        if req is None:
            super().maybe_scale()
        elif self.qty > self.processes and (loop := get_event_loop()):
            loop.call_later(self.PATIENCE, super().maybe_scale)
