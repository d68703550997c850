"""Lines of all workloads as they come, by few threads, whatever number of workloads there is.

No stream is held open to any node: a node limits how many connections an agent may have, and a stream for each of an
app's two outputs would be hundreds. Instead whoever is due is looked at: soon again what writes, later what does not.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from apps.core.errors import PlatformError, Unavailable
from apps.engines.base import LogLine
from apps.engines.feed import Feed
from apps.engines.nomad.cluster import Names
from apps.engines.nomad.logs import Reader
from apps.engines.nomad.server import Body, Server

READERS = 4  # threads, each with one connection to the agent
QUICK, SLOW = 0.3, 2.0  # seconds between two looks at a workload that writes, and at one that does not
LIST = 1.0  # seconds between two looks at what there is
GIVEN_UP = 5.0  # seconds for the last lines of what was stopped


@dataclass(slots=True)
class Followed:
    """`last`: the number of the line that was passed on last. `gone`: when its last lines are given up; 0: it runs."""

    workload: str
    reader: Reader
    last: int
    wait: float = QUICK
    gone: float = 0.0
    allocations: list[Body] = field(default_factory=list)


class Following:
    """Everything from now on. One thread looks at what there is, READERS at the lines of those that are due."""

    def __init__(self, server: Server, names: Names, directory: Path) -> None:
        self._server = server
        self._names = names
        self._directory = directory
        self._feed = Feed("nomad-logs")
        self._seen: dict[str, list[Body]] = {}
        self._followed: set[str] = set()
        self._due: list[tuple[float, str, Followed]] = []
        self._changed = threading.Condition()
        for workload in self._look():
            reader = self._reader(workload)
            self._follow(workload, reader, reader.look(self._seen[workload]))
        self._feed.start(self._watch)
        for _ in range(READERS):
            self._feed.start(self._work)

    def lines(self) -> Iterator[tuple[str, LogLine]]:
        return self._feed.lines()

    def _reader(self, workload: str) -> Reader:
        return Reader(self._server, self._names, self._directory, workload)

    def _look(self) -> dict[str, list[Body]]:
        """The allocations of each workload that is there."""
        jobs = {job["ID"] for job in self._server.jobs(self._names.jobs)}
        seen: dict[str, list[Body]] = {self._names.workload(job): [] for job in jobs}
        for allocation in self._server.allocations(prefix=self._names.jobs) if jobs else ():
            if allocation["JobID"] in jobs:
                seen[self._names.workload(allocation["JobID"])].append(allocation)
        self._seen = seen
        return seen

    def _watch(self) -> None:
        try:
            while not self._feed.over.wait(LIST):
                for workload in self._look():
                    if workload not in self._followed:
                        self._follow(workload, self._reader(workload), 0)
        except PlatformError as error:
            self._feed.fail(error)

    def _follow(self, workload: str, reader: Reader, last: int) -> None:
        self._followed.add(workload)
        self._again(Followed(workload, reader, last))

    def _again(self, one: Followed) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + one.wait, one.workload, one))
            self._changed.notify()

    def _next(self) -> Followed | None:
        """Who is due; None when nobody was for a while."""
        with self._changed:
            wait = self._due[0][0] - time.monotonic() if self._due else LIST
            if wait > 0:
                self._changed.wait(min(wait, LIST))
            if self._due and self._due[0][0] <= time.monotonic():
                return heapq.heappop(self._due)[2]
        return None

    def _work(self) -> None:
        while not self._feed.over.is_set():
            one = self._next()
            if one is None:
                continue
            try:
                more = self._pass_on(one)
            except Unavailable:
                more = True  # a node; whether the cluster answers is the watcher's to see
            except PlatformError:
                more = False
            if more:
                self._again(one)
            else:
                self._followed.discard(one.workload)

    def _pass_on(self, one: Followed) -> bool:
        """What is new of it; False once its job is gone and what it wrote last was read.

        A start anew is followed anew.
        """
        there = self._seen.get(one.workload)
        one.gone = 0.0 if there is not None else one.gone or time.monotonic() + GIVEN_UP
        one.allocations = there or one.allocations
        over = bool(one.gone) and time.monotonic() > one.gone
        one.wait = min(SLOW, one.wait * 1.3)
        one.reader.look(one.allocations, over=over)
        for line in one.reader.lines(one.last):
            if not self._feed.put(one.workload, line):
                return False
            one.last, one.wait = line.seq, QUICK
        return not over
