"""Lines of workloads: those kept, and those that come, of all of them at once."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from apps.core.errors import PlatformError, Unavailable
from apps.engines.base import LogLine
from apps.engines.nomad import output, words
from apps.engines.nomad.cluster import Names
from apps.engines.nomad.job import SECOND
from apps.engines.nomad.ledger import Entry, Ledger
from apps.engines.nomad.server import Body, Server
from apps.engines.process.logs import Splitter

KEPT = 20_000  # lines of a workload that are handed out
CHUNK = 1_048_576  # bytes asked for at once
SETTLED = 0.5  # seconds after an event until what came before it has been written
WAITING = 10_000  # lines that nobody took yet
QUICK, SLOW = 0.3, 2.0  # seconds between two looks at a workload that writes, and at one that does not
LIST = 1.0  # seconds between two looks at what there is
GIVEN_UP = 5.0  # seconds for the last lines of what was stopped

Item = tuple[str, LogLine] | PlatformError


class Reader:
    """Reads one workload's lines; `find`s allocations anew each time, since a workload may move."""

    def __init__(self, server: Server, names: Names, directory: Path, workload: str) -> None:
        self._server = server
        self._job = names.job(workload)
        self._ledger = Ledger(directory, workload)

    def look(self, allocations: list[Body] | None = None, *, over: bool = False) -> int:
        """Number what is new; the last number. `over`: nothing more comes, a line without an end is one."""
        found = self._server.allocations(job=self._job) if allocations is None else allocations
        with self._ledger.writing():
            for allocation in sorted(found, key=lambda one: one["CreateIndex"]):
                said = self._said(allocation)
                ended = over or bool(said) or allocation["ClientStatus"] in words.OVER
                self._ledger.add(self._written(allocation["ID"], ended))
                self._ledger.add(self._numbered(said))
            return self._ledger.last

    def lines(self, after: int) -> list[LogLine]:
        """The newest with numbers over `after`, oldest first, of those numbered by now."""
        self._ledger.refresh()
        chosen: list[Entry] = []
        count = 0
        for entry in reversed(self._ledger.entries):
            if entry.last <= after or count >= KEPT:
                break
            chosen.append(entry)
            count += entry.count
        return [line for entry in reversed(chosen) for line in self._read(entry) if line.seq > after][-KEPT:]

    def _read(self, entry: Entry) -> Iterator[LogLine]:
        at = datetime.fromtimestamp(entry.at / SECOND, UTC)
        if entry.stream == "engine":
            yield LogLine(entry.first, at, "engine", entry.text)
            return
        data = output.content(
            self._server, entry.allocation, entry.stream, entry.number, entry.start, entry.end - entry.start
        )
        if len(data) == entry.end - entry.start:  # else it was dropped meanwhile
            for number, text in enumerate(split(data), entry.first):
                yield LogLine(number, at, entry.stream, text)

    def _said(self, allocation: Body) -> list[Entry]:
        """Nomad's new events of the allocation, as sentences, without their numbers."""
        now, told = time.time_ns(), self._ledger.told(allocation["ID"])
        restarts = int(words.task_state(allocation).get("Restarts") or 0)
        return [
            Entry(0, 1, now, allocation["ID"], "engine", 0, 0, at, text)
            for at, text in words.lines(words.events(allocation), restarts)
            if at > told and not 0 <= now - at < SETTLED * SECOND
        ]

    def _numbered(self, entries: list[Entry]) -> list[Entry]:
        return [
            Entry(self._ledger.last + 1 + n, 1, one.at, one.allocation, "engine", 0, 0, one.end, one.text)
            for n, one in enumerate(entries)
        ]

    def _written(self, allocation: str, ended: bool) -> list[Entry]:
        """New output of the allocation. An allocation whose node is away or has forgotten it has none."""
        sizes = output.sizes(self._server, allocation)
        entries: list[Entry] = []
        last = self._ledger.last
        for stream in output.STREAMS:
            numbers = sorted(number for name, number in sizes if name == stream)
            at_file, at_byte = self._ledger.position(allocation, stream)
            for number in numbers:
                if number < at_file:
                    continue
                start = at_byte if number == at_file else 0
                final = ended or number < numbers[-1]
                for begin, end, count in self._pieces(allocation, stream, number, start, sizes[stream, number], final):
                    at = time.time_ns()
                    entries.append(Entry(last + 1, count, at, allocation, stream, number, begin, end))
                    last += count
        return entries

    def _pieces(
        self, allocation: str, stream: output.Stream, number: int, start: int, size: int, final: bool
    ) -> Iterator[tuple[int, int, int]]:
        """(begin, end, lines) of what is whole between `start` and `size`."""
        while start < size:
            data = output.content(self._server, allocation, stream, number, start, min(CHUNK, size - start))
            splitter = Splitter()
            count = len(splitter.feed(data))
            used = len(data) - len(splitter.rest)
            if final and start + len(data) >= size and splitter.rest:
                count, used = count + 1, len(data)
            if not used:
                return
            yield start, start + used, count
            start += used


def split(data: bytes) -> list[str]:
    splitter = Splitter()
    return [*splitter.feed(data), *splitter.finish()]


class Following:
    """Everything from now on. One thread looks at what there is, one at each workload's lines."""

    def __init__(self, server: Server, names: Names, directory: Path) -> None:
        self._server = server
        self._names = names
        self._directory = directory
        self._items: queue.Queue[Item] = queue.Queue(WAITING)
        self._over = threading.Event()
        self._seen: dict[str, list[Body]] = {}
        self._followed: set[str] = set()
        for workload in self._look():
            reader = self._reader(workload)
            self._follow(workload, reader, reader.look(self._seen[workload]))
        self._thread(self._watch)

    def lines(self) -> Iterator[tuple[str, LogLine]]:
        """Raises Unavailable when the cluster has gone."""
        try:
            while True:
                item = self._items.get()
                if isinstance(item, PlatformError):
                    raise item
                yield item
        finally:
            self._over.set()

    def _thread(self, target: object, *given: object) -> None:
        threading.Thread(target=target, args=given, daemon=True, name="nomad-logs").start()  # type: ignore[arg-type]

    def _reader(self, workload: str) -> Reader:
        return Reader(self._server, self._names, self._directory, workload)

    def _look(self) -> dict[str, list[Body]]:
        """The allocations of each workload that is there."""
        jobs = {job["ID"] for job in self._server.jobs(self._names.jobs)}
        seen: dict[str, list[Body]] = {self._names.workload(job): [] for job in jobs}
        for allocation in self._server.allocations(prefix=self._names.jobs):
            if allocation["JobID"] in jobs:
                seen[self._names.workload(allocation["JobID"])].append(allocation)
        self._seen = seen
        return seen

    def _watch(self) -> None:
        try:
            while not self._over.wait(LIST):
                for workload in self._look():
                    if workload not in self._followed:
                        self._follow(workload, self._reader(workload), 0)
        except PlatformError as error:
            self._put(Unavailable("engine_unavailable", error.message, error.hint))

    def _follow(self, workload: str, reader: Reader, last: int) -> None:
        self._followed.add(workload)
        self._thread(self._pass_on, workload, reader, last)

    def _pass_on(self, workload: str, reader: Reader, last: int) -> None:
        """Until its job is gone and what it wrote last was read. A start anew is followed anew."""
        wait, gone = QUICK, 0.0
        allocations: list[Body] = []
        try:
            while not self._over.wait(wait):
                there = self._seen.get(workload)
                gone = 0.0 if there is not None else gone or time.monotonic() + GIVEN_UP
                allocations = there or allocations
                over = bool(gone) and time.monotonic() > gone
                reader.look(allocations, over=over)
                before = last
                for line in reader.lines(last):
                    if not self._put((workload, line)):
                        return
                    last = line.seq
                if over:
                    break
                wait = QUICK if last > before else min(SLOW, wait * 1.3)
        except PlatformError as error:
            if isinstance(error, Unavailable):
                self._put(error)
        finally:
            self._followed.discard(workload)

    def _put(self, item: Item) -> bool:
        """Waits while nobody takes; False when nobody will any more."""
        while not self._over.is_set():
            try:
                self._items.put(item, timeout=0.5)
            except queue.Full:
                continue
            return True
        return False
