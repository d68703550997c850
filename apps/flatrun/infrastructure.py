"""The services there are, how they stand, and their lifecycle: /api/infrastructure."""

from __future__ import annotations

import datetime
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from apps.core.errors import Detail, Invalid
from apps.flatrun.door import Request, endpoint
from apps.infrastructure import lifecycle, listing
from apps.infrastructure.models import Service
from apps.infrastructure.standing import Standing

AT_ONCE = 8  # services asked how they stand
LONGEST_TAIL = 10_000  # lines
Said = tuple[int, dict[str, Any]]
DONE = {"start": "Service started", "stop": "Service stopped", "restart": "Service restarted"}


@endpoint("GET")
def services(request: Request) -> Said:
    return 200, {"services": [_described(service, standing) for service, standing in _every()]}


@endpoint("GET")
def stats(request: Request) -> Said:
    states = [standing.state for _, standing in _every()]
    counts = {state: states.count(state) for state in ("running", "stopped", "external")}
    return 200, {"stats": {"total_services": len(states), **counts}}


@endpoint("GET")
def service(request: Request, name: str) -> Said:
    found = listing.named(name)
    return 200, {"service": _described(found, lifecycle.status(found))}


@endpoint("POST")
def verb(request: Request, name: str, verb: str) -> Said:
    """Answered once it is done, not once the service is healthy."""
    found = listing.named(name)
    lifecycle.VERBS[verb](found, request.user)
    return 200, {"message": DONE[verb], "name": found.name}


@endpoint("GET")
def logs(request: Request, name: str) -> Said:
    """`?tail=`: how many lines, 100 if it is left out."""
    asked = request.GET.get("tail", "100")
    if not (asked.isascii() and asked.isdecimal() and 1 <= int(asked[:9]) <= LONGEST_TAIL and len(asked) < 9):
        raise Invalid([Detail("tail", f"must be a number from 1 to {LONGEST_TAIL}.")])
    found = listing.named(name)
    return 200, {"name": found.name, "logs": "\n".join(lifecycle.logs(found, int(asked)))}


def _every() -> list[tuple[Service, Standing]]:
    """All of them, asked side by side: one that is away costs seconds, whatever the number."""
    found = listing.every()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(zip(found, threads.map(lifecycle.status, found), strict=True))


def _described(service: Service, standing: Standing) -> dict[str, Any]:
    return {
        "name": service.name,
        "type": str(service.type),
        "status": standing.state,
        "managed": service.managed,
        "external": service.external,
        "container_id": service.container_id,
        "image": service.image,
        "health": standing.health,
        "created_at": _moment(service.created_at),
        "config": service.config,
    }


def _moment(at: datetime.datetime | None) -> str:
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""
