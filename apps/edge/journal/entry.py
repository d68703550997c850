"""A line of the request log as a value, and what a search looks for. Pure."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

LINK = re.compile(r"/([0-9]+)\.sock(?::)?$")
STATUS = re.compile(r"[1-5](xx|[0-9]{2})")
_SECONDS = re.compile(rb'"seconds":([0-9]+(?:\.[0-9]+)?)[,}]')
Place = tuple[int, int]
"""Number of the segment, number of the line in it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. `upstreams`: who was asked, in turn: the number of an instance (from 0), or its address.

    `seconds`: from its first byte to the last of the answer. `cache`: hit, miss, bypass, or nothing where none is.
    """

    place: Place
    at: datetime
    id: str
    route: str
    app: str
    host: str
    method: str
    path: str
    status: int
    seconds: float
    upstreams: tuple[str, ...]
    client: str
    received: int
    sent: int
    cache: str = ""
    stream: bool = False


def read(place: Place, line: bytes) -> Entry | None:
    """What the line at `place` says; None for one that is broken."""
    try:
        said = json.loads(line.decode("utf-8", "replace"))
        at, seconds = float(said["at"]), float(said["seconds"])
        if not (math.isfinite(at) and math.isfinite(seconds)):
            return None
        return Entry(
            place=place,
            at=datetime.fromtimestamp(at, UTC),
            route=said["route"].partition("/")[2],
            app=said["app"].partition("/")[2],
            **{name: str(said[name]) for name in ("id", "host", "method", "path", "client")},
            status=int(said["status"]),
            seconds=seconds,
            upstreams=_upstreams(said["upstream"]),
            received=int(said["received"]),
            sent=int(said["bytes"]),
            cache=str(said.get("cache", "")),
            stream=bool(said["stream"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, OSError):
        return None


def _upstreams(said: str) -> tuple[str, ...]:
    asked = (one.strip() for part in said.split(",") for one in part.split(" : "))
    return tuple(match[1] if (match := LINK.search(one)) else one for one in asked if one and one != "-")


@dataclass(frozen=True, slots=True)
class Filter:
    """All that is given has to hold. `status`: a class such as 5xx, or one number. `least`: milliseconds.

    `asked`: of each of these sets one was the app ("" for none: the edge itself), or among Entry.upstreams.
    """

    pod: str
    route: str = ""
    app: str = ""
    status: str = ""
    method: str = ""
    path: str = ""  # somewhere in the path, letters as they are
    least: int = 0
    id: str = ""
    asked: tuple[frozenset[str], ...] = ()

    def needles(self) -> list[bytes]:
        """What a line has in it if it can match: found without reading it."""
        found = []
        for name in ("route", "app"):
            if wanted := getattr(self, name):
                found.append(f'"{name}":"{self.pod}/{wanted}"'.encode())
        for name in ("method", "id"):
            if wanted := getattr(self, name):
                found.append(f'"{name}":{json.dumps(wanted, ensure_ascii=False)}'.encode())
        if STATUS.fullmatch(self.status):
            found.append(f'"status":{self.status.removesuffix("xx")}'.encode())
        if self.path:
            found.append(json.dumps(self.path, ensure_ascii=False)[1:-1].encode())
        return found

    def slow(self, line: bytes) -> bool:
        """Whether a line may say that it took long enough, found without reading all of it."""
        if not self.least:
            return True
        match = _SECONDS.search(line)
        return match is not None and float(match[1]) * 1000 >= self.least

    def holds(self, entry: Entry) -> bool:
        """Whether `entry`, whose line has the needles, is looked for."""
        return (
            self.path in entry.path
            and (not self.least or (entry.seconds * 1000 >= self.least and not entry.stream))
            and all(getattr(self, name) in ("", getattr(entry, name)) for name in ("route", "app", "method", "id"))
            and (not self.status or _is(entry.status, self.status))
            and not any(one.isdisjoint((entry.app, *entry.upstreams)) for one in self.asked)
        )


def _is(status: int, wanted: str) -> bool:
    return str(status)[0] == wanted[0] if wanted.endswith("xx") else str(status) == wanted
