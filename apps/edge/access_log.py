"""One line of the access log as figures. Pure; the form of a line is `LOG` in apps/edge/tables.py.

The whole of a line is read by apps/edge/journal, for people.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

POD = "[a-z0-9-]{1,40}"  # of a pod's id, as it stands in a line
LONGEST_POD = 32  # characters of one whose requests are counted: apps.metrics.steps.routes_of adds a few
SWITCHED = 101  # a websocket: what is timed is how long somebody stayed
MOST_BYTES = 1 << 50
MOST_SECONDS = 10_000_000.0


@dataclass(frozen=True, slots=True)
class Served:
    """A request of the app `app` of the pod with the id `pod`, ended at `at` (seconds of the epoch), by way of `route`.

    `app`: empty for what the route answered without one: a redirect, its maintenance page. `route`: empty in lines of
    before it was written.
    `ms`: from its first byte to the last of the answer; None where that says nothing about the app: a websocket, a
    stream of events. `received` and `sent` are bytes with headers.
    """

    pod: str
    app: str
    at: float
    status: int
    ms: int | None
    received: int
    sent: int
    route: str = ""


def parse(line: bytes) -> Served | None:
    """What the line says; None for one that is broken, older than this form, or about no pod's request.

    Clients choose parts of a line: their bytes may be no UTF-8, and nothing they send may be taken for a figure.
    """
    try:
        said = json.loads(line.decode("utf-8", "replace"))
        (pod, app), (other, route) = _owner(said["app"]), _owner(said.get("route", ""))
        at, status = float(said["at"]), int(said["status"])
        seconds, received, sent = float(said["seconds"]), int(said["received"]), int(said["bytes"])
        stream = bool(said["stream"]) or status == SWITCHED
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    if not (app or route) or (app and route and pod != other):
        return None
    if not (math.isfinite(at) and at > 0 and 100 <= status <= 599 and 0 <= seconds < MOST_SECONDS):
        return None
    if not (0 <= received < MOST_BYTES and 0 <= sent < MOST_BYTES):
        return None
    return Served(pod or other, app, at, status, None if stream else round(seconds * 1000), received, sent, route)


def _owner(said: str) -> tuple[str, str]:
    """The id of a pod and the name of what it has; both empty for what is neither."""
    pod, _, name = said.partition("/")
    return (pod, name) if 0 < len(pod) <= LONGEST_POD and 0 < len(name) <= 63 else ("", "")
