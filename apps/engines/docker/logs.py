"""Lines of containers: those kept, and those that come, of all containers at once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from docker.errors import NotFound

from apps.core.errors import PlatformError
from apps.engines.base import LogLine
from apps.engines.docker.daemon import IDLE, Daemon
from apps.engines.docker.frames import SECOND, Demux, Lines
from apps.engines.docker.life import Lives
from apps.engines.docker.names import WORKLOAD, Names
from apps.engines.feed import Feed
from apps.engines.process.logs import Stream

KEPT = 20_000  # lines of a workload that are handed out
SLACK = 1_000_000  # ns: lines that were numbered after the one before, not by their own time
LOOK = 0.5  # seconds between two looks at a container that does not run


def read(daemon: Daemon, lives: Lives, workload: str, container: str, after: int) -> list[LogLine]:
    """The newest lines with numbers over `after`, the engine's own among them, oldest first."""
    said = lives.load(workload).lines(after)  # first: what comes before its words is there by then
    found: deque[LogLine] = deque(maxlen=KEPT)
    lines = Lines()
    with daemon.asking():
        for stream, frame in _output(daemon, container, max(0, after - SLACK), {"tail": KEPT}):
            found.extend(line for line in lines.feed(stream, frame) if line.seq > after)
    found.extend(line for line in lines.finish() if line.seq > after)
    return sorted([*found, *said], key=lambda line: line.seq)


def _output(
    daemon: Daemon, container: str, since: int, params: dict[str, Any], idle: float = IDLE
) -> Iterator[tuple[Stream, bytes]]:
    """Frames with times from `since` on."""
    demux = Demux()
    params = {"stdout": 1, "stderr": 1, "timestamps": 1, "since": f"{since // SECOND}.{since % SECOND:09d}", **params}
    for chunk in daemon.stream(f"/containers/{container}/logs", params, idle):
        yield from demux.feed(chunk)


class Following:
    """Everything from now on. One thread follows each container, one the daemon's events."""

    def __init__(self, daemon: Daemon, names: Names, lives: Lives) -> None:
        self._daemon = daemon
        self._lives = lives
        self._feed = Feed("docker-logs")
        self._followed: set[str] = set()
        filters = names.filters(WORKLOAD)
        with daemon.asking() as api:
            now = time.time_ns()
            events = daemon.events({**filters, "event": ["start"]})
            present = api.containers(all=True, filters=filters)
        for container in present:
            self._follow(container["Id"], container["Labels"][WORKLOAD], now)
        self._feed.start(self._watch, events)

    def lines(self) -> Iterator[tuple[str, LogLine]]:
        return self._feed.lines()

    def _watch(self, events: Iterator[dict[str, Any] | None]) -> None:
        try:
            with self._daemon.asking():
                for event in events:
                    if self._feed.over.is_set():
                        return
                    if event is not None:
                        actor = event["Actor"]
                        self._follow(actor["ID"], actor["Attributes"][WORKLOAD], 0)
        except PlatformError as error:
            self._feed.fail(error)

    def _follow(self, container: str, workload: str, begin: int) -> None:
        if container not in self._followed:
            self._followed.add(container)
            self._feed.start(self._pass_on, container, workload, begin)

    def _pass_on(self, container: str, workload: str, last: int) -> None:
        """Until it is removed, over its restarts; each line and each of the watcher's words at its time.

        A short life may begin and end between two looks: whatever is there comes before newer words about an end.
        """
        try:
            with self._daemon.asking() as api:
                started = api.inspect_container(container)["State"]["StartedAt"]
                while not self._feed.over.is_set():
                    last = self._hand_on(workload, self._come(container, workload, last, follow=True), last)
                    said = self._lives.load(workload).lines(last)
                    state = api.inspect_container(container)["State"]
                    if state["Running"] or state["StartedAt"] != started:
                        started = state["StartedAt"]
                        last = self._hand_on(workload, self._come(container, workload, last, follow=False), last)
                        said = [word for word in said if word.seq > last]
                    elif self._feed.over.wait(LOOK):
                        return
                    last = self._hand_on(workload, said, last)
        except (PlatformError, NotFound):
            self._followed.discard(container)  # the daemon's events tell whether all of it has gone

    def _hand_on(self, workload: str, lines: Iterable[LogLine], last: int) -> int:
        """The number of the last one."""
        for line in lines:
            if not self._feed.put(workload, line):
                break
            last = line.seq
        return last

    def _come(self, container: str, workload: str, last: int, *, follow: bool) -> Iterator[LogLine]:
        """Lines after `last`, each after the words that are older."""
        lines, known = Lines(last), 0
        words: list[LogLine] = []
        begin = last + 1 if last else 0
        frames = _output(self._daemon, container, begin, {"follow": int(follow)}, 4 * IDLE)
        for line in chain(chain.from_iterable(lines.feed(*frame) for frame in frames), lines.finish()):
            if (changed := self._lives.changed(workload)) != known:
                known, words = changed, self._lives.load(workload).lines(last)
            while words and words[0].seq < line.seq:
                yield words.pop(0)
            yield line
            last = line.seq
