"""What happened to a resource: listed a page at a time, or streamed as it happens."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from ninja import Header, Query, Router

from apps.api import events, places, schemas, streaming, watching
from apps.api.door import Request, operation
from apps.api.ids import parse_urn
from apps.api.revisions_shown import head_of, snapshot_of
from apps.core.errors import Detail, Invalid, NotFound
from apps.pods.models import Pod

router = Router(tags=["events"])
Which = Annotated[str, Query(max_length=200, description="The URN of an app, a database or a route.")]
Stream = Annotated[Literal["app", "httpAccess", "platform"] | None, Query()]
Search = Annotated[str, Query(max_length=256)]
Level = Annotated[Literal["trace", "debug", "info", "warn", "error"] | None, Query(description="Of the kind app.")]
Range = Annotated[Literal["5m", "15m", "30m", "1h", "24h", "7d"], Query()]
Seconds = Annotated[int, Query(ge=1, le=streaming.LONGEST, description="How long it stays open.")]
LONGEST = 7500  # characters of a place: nginx takes lines of 8 kB


@operation(router, "GET", "/pods/{pod}/events", "events:read", answers={200: schemas.EventList})
def list_pod_events(
    request: Request,
    response: HttpResponse,
    pod: str,
    resource: Which,
    kind: Stream = None,
    search: Search = "",
    level: Level = None,
    range: Range = "15m",
    cursor: Annotated[str, Query(max_length=300)] = "",
) -> Any:
    """What a resource wrote, what the platform did with it, and what it was asked; the newest first."""
    found = request.auth.pod(pod)
    ours, name = _asked(found, resource, kind, level)
    now = int(time.time() * 1000)
    start, before = events.resume(cursor) if cursor else (now - events.RANGES[range] * 1000, (now, events.LAST))
    asked = events.Asked(found, ours, name, start, before, kind or "", search, level or "")
    items, last = events.page(asked)
    said = {"resource": resource, "kind": kind, "search": search or None, "level": level, "range": range}
    here = places.pod(found.name, "events")
    further = None
    if last:
        response["x-next-cursor"] = mark = events.Asked(found, ours, name, start, last).cursor
        further = places.query(here, **said, cursor=mark)
        response["Link"] = f'<{further["href"]}>; rel="next"'
    return {"items": items, "_links": {"self": places.query(here, **said, cursor=cursor or None), "next": further}}


@operation(router, "GET", "/pods/{pod}/events/watch", "events:read", answers={200: None}, text="text/event-stream")
def watch_pod_events(
    request: Request,
    pod: str,
    resource: Which,
    kind: Stream = None,
    search: Search = "",
    level: Level = None,
    range: Range = "15m",
    duration: Seconds = 10,
    cursor: Annotated[str, Query(max_length=LONGEST)] = "",
    last_event_id: Annotated[str, Header(alias="Last-Event-ID", max_length=LONGEST)] = "",
) -> HttpResponseBase:
    """The same as server-sent events: the newest of the range, then what happens, the oldest first. Messages are
    `event`, `error` and `end`. Sent back as Last-Event-ID or `cursor`, the last id goes on where the stream ended,
    without a gap and with nothing twice."""
    found = request.auth.pod(pod)
    ours, name = _asked(found, resource, kind, level)
    start = int(time.time() * 1000) - events.RANGES[range] * 1000
    asked = events.Asked(found, ours, name, start, (0, ""), kind or "", search, level or "")
    return streaming.answer(request, watching.Watch(asked, last_event_id or cursor), duration)


def _asked(pod: Pod, resource: str, kind: str | None, level: str | None) -> tuple[str, str]:
    """Our kind and the name of what is asked about. Raises Invalid, NotFound."""
    if level and kind != "app":
        raise Invalid([Detail("level", "is for the kind app alone: leave it out, or say kind=app.")])
    ours, name = _resource(pod, resource)
    if kind and kind not in events.streams(ours):
        raise Invalid([Detail("kind", f"must be one of {', '.join(events.streams(ours))} for this resource.")])
    return ours, name


def _resource(pod: Pod, text: str) -> tuple[str, str]:
    """Our kind and the name of a resource of the head or of what is live. Raises Invalid, NotFound."""
    found = parse_urn(text)
    if found is None or found[0] in ("Config", "Disk"):
        message = "must be urn:brain:<kind>:default:<name>, of the kind app, postgres, mariadb, valkey or route."
        raise Invalid([Detail("resource", message)])
    for revision in filter(None, (head_of(pod), pod.live)):
        there = snapshot_of(revision).get(found[1])
        if there is not None and there.kind == found[0]:
            return found
    raise NotFound("such resource in this pod")
