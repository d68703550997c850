"""Lines of a workload: those kept, and what is new of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from apps.core.errors import Unavailable
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
CLOSED = 30.0  # seconds after the end of an allocation, by two clocks, in which something of it may still come
AWAY = ("unknown", "lost")


class Reader:
    """Reads one workload's lines, of all the allocations it has had. For one thread at a time.

    `closed`: the allocations that have ended and were read to their end; they cost no question any more.
    """

    def __init__(self, server: Server, names: Names, directory: Path, workload: str) -> None:
        self._server = server
        self._job = names.job(workload)
        self._ledger = Ledger(directory, workload)
        self._closed: set[str] = set()
        self._away: set[str] = set()  # whose nodes do not answer, as Nomad knows

    def look(self, allocations: list[Body] | None = None, *, over: bool = False) -> int:
        """Number what is new; the last number. `over`: nothing more comes, a line without an end is one.

        What is on a node that does not answer is numbered when it does.
        """
        found = self._server.allocations(job=self._job) if allocations is None else allocations
        self._away = {one["ID"] for one in found if one["ClientStatus"] in AWAY}
        with self._ledger.writing():
            for allocation in sorted(found, key=lambda one: one["CreateIndex"]):
                if allocation["ID"] not in self._closed | self._away:
                    self._look_at(allocation, over)
            return self._ledger.last

    def _look_at(self, allocation: Body, over: bool) -> None:
        said = self._said(allocation)
        ended = allocation["ClientStatus"] in words.OVER
        try:
            written = self._written(allocation["ID"], over or bool(said) or ended)
        except Unavailable:
            return
        self._ledger.add(written)
        self._ledger.add(self._numbered(said))
        if ended and not written and not said and self._settled(allocation):
            self._closed.add(allocation["ID"])

    @staticmethod
    def _settled(allocation: Body) -> bool:
        """Whether its end is long enough ago for everything to have been written and said."""
        return time.time_ns() - int(allocation.get("ModifyTime") or 0) > CLOSED * SECOND

    def lines(self, after: int) -> list[LogLine]:
        """The newest with numbers over `after`, oldest first, of those numbered by now.

        What is on a node that Nomad calls away is left out. Raises Unavailable where one just does not answer.
        """
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
        try:
            data = output.content(
                self._server, entry.allocation, entry.stream, entry.number, entry.start, entry.end - entry.start
            )
        except Unavailable:
            if entry.allocation not in self._away:
                raise
            return
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
        """New output of the allocation; none of one that its node has forgotten."""
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
