"""What happened to a resource, newest first: what it wrote, what the platform did with it, what it was asked.

Three sources, each read back from a moment and put together. A page goes on where the last one ended: at the moment and
the id of its last event, within the window of time that the first page had.
"""

from __future__ import annotations

import base64
import datetime
import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.core.errors import Detail, Invalid
from apps.deployments import feed
from apps.deployments.models import AppEvent
from apps.edge import edge
from apps.edge.journal.entry import Entry, Filter
from apps.edge.journal.search import back
from apps.logs import reader
from apps.logs.lines import EVENT, Line, plain
from apps.pods import kinds
from apps.pods.models import Pod

RANGES = {"5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "24h": 86_400, "7d": 604_800}
PAGE = 100
LAST = "~"  # behind every id
LOOKED = 20_000  # lines of one instance, or of the request log, looked at for a page
AT_ONCE = 1000  # lines
INSTANCES = 50  # the newest ones whose lines are looked at
Json = dict[str, Any]
Key = tuple[int, str]
Found = tuple[Key, Json]


@dataclass(frozen=True, slots=True)
class Asked:
    """`start`: milliseconds since 1970. `before`: the key of the event that the page goes on after."""

    pod: Pod
    kind: str  # of the resource, ours
    name: str
    start: int
    before: Key
    stream: str = ""  # app | platform | httpAccess; empty: all of them
    search: str = ""
    level: str = ""

    @property
    def cursor(self) -> str:
        text = json.dumps([self.start, *self.before])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def fits(self, event: Json) -> bool:
        if self.level and event.get("level") != self.level:
            return False
        wanted = self.search.casefold()
        return not wanted or any(wanted in str(value).casefold() for name, value in event.items() if name != "id")


def resume(cursor: str) -> tuple[int, Key]:
    """Where a page goes on: the start of the window, and the key. Raises Invalid."""
    try:
        start, at, name = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(start, int) and isinstance(at, int) and isinstance(name, str) and 0 <= start <= at < 1 << 48:
            return start, (at, name)
    except (ValueError, TypeError, RecursionError):
        pass
    raise Invalid([Detail("cursor", "is none of this list's: begin anew, without one.")])


def streams(kind: str) -> tuple[str, ...]:
    """Which there are of a resource of `kind`."""
    if kind == "Route":
        return ("platform", "httpAccess")
    return ("app", "platform", "httpAccess") if kind == "App" else ("app", "platform")


def page(asked: Asked) -> tuple[list[Json], Key | None]:
    """The next events, and the key of the last where there are more."""
    sources = {"app": _lines, "platform": _told, "httpAccess": _requests}
    wanted = [name for name in streams(asked.kind) if asked.stream in ("", name)]
    merged = heapq.merge(*(sources[name](asked) for name in wanted), key=lambda found: found[0], reverse=True)
    found: list[Found] = []
    for one in merged:
        if one[0] < asked.before and asked.fits(one[1]):
            found.append(one)
            if len(found) > PAGE:
                break
    more = len(found) > PAGE
    found = found[:PAGE]
    return [event for _, event in found], found[-1][0] if more else None


def _event(at: int, name: str, body: str, **more: Any) -> Found:
    moment = datetime.datetime.fromtimestamp(at / 1000, datetime.UTC)
    return (at, name), {"id": name, "body": body, "timestamp": moment, **more}


def _lines(asked: Asked) -> Iterator[Found]:
    if not kinds.get(asked.kind).runs:
        return
    rows = asked.pod.workloads.filter(app=asked.name).order_by("-id")[:INSTANCES]
    yield from heapq.merge(*(_written(asked, row.pk) for row in rows), key=lambda found: found[0], reverse=True)


def _written(asked: Asked, workload: str) -> Iterator[Found]:
    """The lines of an instance. A clock that was set back must not put later lines before earlier ones."""
    stream, latest = f"workload:{workload}", asked.before[0]
    seq = reader.last_seq(stream) + 1
    first = max(seq - LOOKED, 1)
    while seq > first:
        lines = reader.before(stream, seq, AT_ONCE)
        if not lines:
            return
        for line in reversed(lines):
            if line.at < asked.start:
                return
            if line.at <= asked.before[0]:
                latest = min(latest, line.at)
                if event := line_event(workload, line, latest):
                    yield event
        seq = lines[0].seq


def line_event(workload: str, line: Line, at: int) -> Found | None:
    """None for what stands between the lines of a log."""
    if line.level == EVENT:
        return None
    level = line.level if line.level in ("warn", "error") else "info"
    return _event(at, f"a-{workload}-{line.seq:012}", plain(line.text), kind="app", level=level)


def _told(asked: Asked) -> Iterator[Found]:
    """By the number of the row, which the time goes with."""
    since = datetime.datetime.fromtimestamp(asked.start / 1000, datetime.UTC)
    until = datetime.datetime.fromtimestamp((asked.before[0] + 1) / 1000, datetime.UTC)
    for row in feed.of_app(asked.pod, asked.name).filter(at__gte=since, at__lt=until).order_by("-at", "-id"):
        yield told_event(row)


def told_event(row: AppEvent) -> Found:
    return _event(millis(row.at), f"p-{row.pk:012}", row.words, kind="platform", reason=row.kind)


def millis(at: datetime.datetime) -> int:
    return int(at.timestamp() * 1000)


def _requests(asked: Asked) -> Iterator[Found]:
    root, wanted, place, looked, latest = journal(), requests_of(asked), None, 0, asked.before[0]
    while looked < LOOKED:
        found = back(root, wanted, place)
        for one in found.entries:
            at = millis(one.at)
            if at < asked.start:
                return
            if at > asked.before[0]:
                continue
            latest = min(latest, at)
            yield request_event(one, latest)
        looked += found.looked
        if found.before is None:
            return
        place = found.before


def journal() -> Path:
    return edge().journal()


def requests_of(asked: Asked) -> Filter:
    route, app = (asked.name if asked.kind == kind else "" for kind in ("Route", "App"))
    return Filter(asked.pod.pk, route=route, app=app)


def request_event(one: Entry, at: int) -> Found:
    return _event(
        at, f"h-{one.place[0]:08}-{one.place[1]:08}", f"{one.method} {one.path} {one.status}",
        kind="httpAccess", method=one.method, path=one.path, host=one.host, status=one.status,
        durationMs=round(one.seconds * 1000, 1), bytesSent=one.sent, bytesReceived=one.received,
        clientIp=one.client, requestId=one.id,
    )  # fmt: skip
