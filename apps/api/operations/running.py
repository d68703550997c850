"""What an app writes and what is measured of it."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from django.http import HttpResponse
from ninja import Query, Router

from apps.api import events, places, running_schemas, schemas
from apps.api.door import Request, operation
from apps.api.revisions_shown import head_of, route_of, snapshot_of
from apps.core.errors import NotFound
from apps.dashboard import metrics_page
from apps.pods import kinds
from apps.pods.models import Pod, Resource

router = Router(tags=["running"])
Range = Annotated[Literal["1h", "6h", "24h", "7d", "30d"], Query()]
Level = Annotated[Literal["info", "warn", "error"] | None, Query()]


@operation(router, "GET", "/pods/{pod}/apps/{app}/log", "logs:read", answers={200: schemas.EventList})
def get_app_log(
    request: Request,
    response: HttpResponse,
    pod: str,
    app: str,
    search: Annotated[str, Query(max_length=256)] = "",
    level: Level = None,
    range: Annotated[Literal["5m", "15m", "30m", "1h", "24h", "7d"], Query()] = "1h",
    cursor: Annotated[str, Query(max_length=300)] = "",
) -> Any:
    """What all instances of an app or a database wrote, the newest line first. Not in the public API."""
    found = request.auth.pod(pod)
    resource = _running(found, app)
    now = int(time.time() * 1000)
    start, before = events.resume(cursor) if cursor else (now - events.RANGES[range] * 1000, (now, events.LAST))
    asked = events.Asked(found, resource.kind, app, start, before, "app", search, level or "")
    items, last = events.page(asked)
    said = {"search": search or None, "level": level, "range": range}
    here, further = places.pod(found.name, "apps", app, "log"), None
    if last:
        response["x-next-cursor"] = mark = events.Asked(found, resource.kind, app, start, last).cursor
        further = places.query(here, **said, cursor=mark)
        response["Link"] = f'<{further["href"]}>; rel="next"'
    return {"items": items, "_links": {"self": places.query(here, **said, cursor=cursor or None), "next": further}}


@operation(router, "GET", "/pods/{pod}/apps/{app}/metrics", "metrics:read", answers={200: running_schemas.Metrics})
def get_app_metrics(request: Request, pod: str, app: str, range: Range = "1h") -> Any:
    """What was measured of an app or a database, as its page draws it: requests a minute, latencies in ms, traffic in
    bytes a second, CPU in cores, memory in MB. Not in the public API."""
    found = request.auth.pod(pod)
    said = metrics_page.data(found, _running(found, app), range)
    return _metrics(said, found, places.pod(found.name, "apps", app, "metrics"))


@operation(router, "GET", "/pods/{pod}/routes/{route}/metrics", "metrics:read", answers={200: running_schemas.Metrics})
def get_route_metrics(request: Request, pod: str, route: str, range: Range = "1h") -> Any:
    """What was answered by way of a route, whichever app it was for: requests a minute by class of status, latencies in
    ms, traffic in bytes a second. Redirects and its maintenance page count too. Not in the public API."""
    found = request.auth.pod(pod)
    said = metrics_page.data(found, route_of(found, route), range)
    return _metrics(said, found, places.pod(found.name, "routes", route, "metrics"))


def _metrics(said: dict[str, Any], pod: Pod, here: dict[str, str]) -> dict[str, Any]:
    return {
        **{name: said[name] for name in metrics_page.TIMES},
        "series": {name: figures for name, figures in said.items() if name not in (*metrics_page.TIMES, "marks")},
        "marks": [{name: one[name] for name in ("at", "id", "version", "state")} for one in said["marks"]],
        "_links": {"self": places.query(here, range=said["range"]), "pod": places.pod(pod.name)},
    }


def _running(pod: Pod, name: str) -> Resource:
    """An app or a database of what is live or of the head. Raises NotFound."""
    for revision in filter(None, (pod.live, head_of(pod))):
        there = snapshot_of(revision).get(name)
        if there is not None and kinds.get(there.kind).runs:
            return there
    raise NotFound("such app or database in this pod")
