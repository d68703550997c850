"""What happens to a resource from a place on: every event once, over whatever connection.

A place says how far each source was read. It goes out as the id of every event, so that whoever comes back with the
last one goes on behind it; nothing is kept here meanwhile.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from django.db.models import Q
from django.utils import timezone

from apps.api import events
from apps.api.events import Asked, Found, Json
from apps.core.errors import Detail, Invalid
from apps.deployments import feed
from apps.deployments.models import Workload
from apps.edge.journal.search import back, onward
from apps.logs import reader
from apps.logs.lines import Line
from apps.logs.store import moment
from apps.pods import kinds

GONE = 600_000  # milliseconds after which nothing more is expected of an instance that was stopped
SETTLED = 60_000  # and after which no row appears any more that was numbered before one that is there
MOST = 100  # instances
AT_ONCE = 1000  # lines of an instance, and requests, in one look
PATIENCE = 3.0  # seconds missing lines may take to be stored before they count as lost
FAR = 86_400_000  # milliseconds: no clock is as far ahead
Sent = tuple[str, Json]


@dataclass(slots=True)
class Place:
    """`at`: when it was taken; `start`: nothing older is shown; both in milliseconds since 1970.

    `lines`: the last line looked at, by instance: of all that were there at `at`, but for those gone long before.
    `told`: the last row of the feed up to which all were looked at; `seen`: those behind it. `requests`: where the
    journal goes on.
    """

    mark: str
    start: int
    at: int = 0
    lines: dict[str, int] = field(default_factory=dict)
    told: int = 0
    seen: set[int] = field(default_factory=set)
    requests: tuple[int, int] = (0, 0)

    @property
    def cursor(self) -> str:
        said = [self.mark, self.start, self.at, self.lines, self.told, sorted(self.seen), self.requests]
        text = json.dumps(said, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def step(self, name: str) -> None:
        """Behind the event called `name`, which has to be the next of its source."""
        source, _, rest = name.partition("-")
        first, _, second = rest.rpartition("-")
        if source == "a":
            self.lines[first] = int(second)
        elif source == "p":
            self.seen.add(int(rest))
        else:
            self.requests = (int(first), int(second) + 1)

    def covers(self, name: str) -> bool:
        """Whether the event called `name` lies before it."""
        source, _, rest = name.partition("-")
        first, _, second = rest.rpartition("-")
        if source == "a":
            return int(second) <= self.lines.get(first, 0)
        if source == "p":
            return int(rest) <= self.told or int(rest) in self.seen
        return (int(first), int(second)) < self.requests


def mark(asked: Asked) -> str:
    """What a place is good for: one resource of one pod."""
    return hashlib.sha256(f"{asked.pod.pk}/{asked.kind}/{asked.name}".encode()).hexdigest()[:8]


def resume(cursor: str, asked: Asked) -> Place:
    """Raises Invalid naming the cursor, for what is none of this resource's."""
    try:
        said = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        which, start, at, lines, told, seen, (segment, line) = said
        whole = [start, at, told, segment, line, *lines.values(), *seen]
        if (
            which == mark(asked)
            and len(lines) <= MOST
            and all(type(one) is int and 0 <= one < 1 << 47 for one in whole)
        ):
            return Place(which, start, at, lines, told, set(seen), (segment, line))
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise Invalid([Detail("cursor", "is none of this resource's: begin anew, without one.")])


class Watch:
    """`asked`: the resource, and what is looked for; its `start` is where what is told first begins."""

    def __init__(self, asked: Asked, cursor: str = "") -> None:
        self._place = resume(cursor, asked) if cursor else None
        self._asked = replace(asked, start=self._place.start) if self._place else asked
        self._stalled: dict[str, float] = {}
        self.more = False  # whether there is more at once

    @property
    def cursor(self) -> str:
        return self._place.cursor if self._place else ""

    def look(self) -> list[Sent]:
        """What there is since the last look, the oldest first, each with the place behind it."""
        if self._place is None:
            shown, self._place = beginning(self._asked)
            return shown
        place, after = self._place, copy.deepcopy(self._place)
        after.at = now()
        self.more = False
        sources = {"app": self._lines, "platform": self._told, "httpAccess": self._requests}
        found: list[Found] = []
        for name in events.streams(self._asked.kind):
            if self._asked.stream in ("", name):
                found += sources[name](place, after)
        made = []
        for _, event in sorted(found, key=lambda one: one[0]):
            place.step(event["id"])
            made.append((place.cursor, event))
        self._place = after
        return made

    def _lines(self, place: Place, after: Place) -> list[Found]:
        if not kinds.get(self._asked.kind).runs:
            return []
        rows = instances(self._asked, place.at, place.lines)
        after.lines = {}
        found: list[Found] = []
        for row in rows:
            last, latest = place.lines.get(row.pk, 0), 0
            lines = self._read(row.stream, last)
            for line in lines:
                last = line.seq
                latest = max(latest, line.at)  # a clock that was set back must not put a later line first
                if (event := events.line_event(row.pk, line, latest)) and self._fits(event):
                    found.append(event)
            if lines or row.stopped_at is None or row.stopped_at > moment(after.at - GONE):
                after.lines[row.pk] = last
        return found

    def _read(self, stream: str, last: int) -> list[Line]:
        """The lines behind `last` as far as they are there without a gap; past a gap once it will not be filled."""
        lines = reader.read(stream, after=last, limit=AT_ONCE)
        if not lines:
            self._stalled.pop(stream, None)
            return []
        if lines[0].seq != last + 1 and lines[0].seq > reader.dropped(stream) + 1:
            since = self._stalled.setdefault(stream, time.monotonic())
            if time.monotonic() - since < PATIENCE:
                return []
        self._stalled.pop(stream, None)
        together = [line for number, line in enumerate(lines) if line.seq == lines[0].seq + number]
        self.more = self.more or len(lines) == AT_ONCE or len(together) < len(lines)
        return together

    def _told(self, place: Place, after: Place) -> list[Found]:
        rows = list(feed.of_app(self._asked.pod, self._asked.name).filter(id__gt=place.told).order_by("id"))
        found = [events.told_event(row) for row in rows if row.pk not in place.seen]
        after.told, after.seen = _settled(place.told, {row.pk: events.millis(row.at) for row in rows}, after.at)
        return [one for one in found if self._fits(one)]

    def _requests(self, place: Place, after: Place) -> list[Found]:
        page = onward(events.journal(), events.requests_of(self._asked), place.requests, AT_ONCE)
        after.requests = page.end
        self.more = self.more or len(page.entries) == AT_ONCE
        found, latest = [], 0
        for entry in page.entries:
            latest = max(latest, events.millis(entry.at))
            found.append(events.request_event(entry, latest))
        return [one for one in found if self._fits(one)]

    def _fits(self, event: Found) -> bool:
        return event[0][0] >= self._asked.start and self._asked.fits(event[1])


def beginning(asked: Asked) -> tuple[list[Sent], Place]:
    """The newest page of what happened since `asked.start`, the oldest first, and the place behind all there is."""
    end = present(asked)
    items, _ = events.page(replace(asked, before=(end.at + FAR, events.LAST)))
    shown = [one for one in reversed(items) if end.covers(one["id"])]
    made: list[Sent] = []
    place = copy.deepcopy(end)
    for number in range(len(shown) - 1, -1, -1):
        made.append((place.cursor, shown[number]))
        _back(place, end, shown, number)
    return made[::-1], end


def _back(place: Place, end: Place, shown: list[Json], number: int) -> None:
    """Moves `place` before the event of that number: those before it were sent, it and those behind were not."""
    name = shown[number]["id"]
    source, _, rest = name.partition("-")
    first, _, second = rest.rpartition("-")
    if source == "a":
        place.lines[first] = int(second) - 1
    elif source == "h":
        place.requests = (int(first), int(second))
    else:
        rows = [int(one["id"][2:]) if one["id"].startswith("p-") else 0 for one in shown]
        sent, left = {*rows[:number]}, {*rows[number:]} - {0}
        place.told = min(end.told, *(row - 1 for row in left))
        place.seen = {row for row in (sent | end.seen) - left if row > place.told}


def present(asked: Asked) -> Place:
    """Behind all there is."""
    found = Place(mark(asked), asked.start, now())
    wanted = [name for name in events.streams(asked.kind) if asked.stream in ("", name)]
    if "app" in wanted and kinds.get(asked.kind).runs:
        # Also of those that are gone: they may have written within the time that is shown.
        found.lines = {row.pk: reader.last_seq(row.stream) for row in instances(asked, asked.start)}
    rows = {row.pk: events.millis(row.at) for row in feed.of_app(asked.pod, asked.name)}
    found.told, found.seen = _settled(0, rows, found.at)
    if "httpAccess" in wanted:
        found.requests = _end(asked)
    return found


def _end(asked: Asked) -> tuple[int, int]:
    return back(events.journal(), events.requests_of(asked), limit=1).end


def instances(asked: Asked, at: int, known: Collection[str] = ()) -> list[Workload]:
    """Those of the app that are `known`, were there at that moment, or came later."""
    there = Q(stopped_at=None) | Q(stopped_at__gt=moment(max(0, at - GONE))) | Q(pk__in=list(known))
    return list(asked.pod.workloads.filter(there, app=asked.name).order_by("-id")[:MOST])


def _settled(told: int, rows: dict[int, int], at: int) -> tuple[int, set[int]]:
    """`rows`: when those behind `told` were written, by number. A row may become visible after one with a later one."""
    young = {pk for pk, written in rows.items() if written > at - SETTLED}
    told = max([told, *(pk for pk in rows if all(pk < other for other in young))])
    return told, {pk for pk in rows if pk > told}


def now() -> int:
    return events.millis(timezone.now())
