"""What the person at the terminal reads: a deployment's log as it is written, and how it ended.

The lines are those that the browser is shown: masked, numbered, made harmless by who wrote them.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.urls import reverse

from apps.core.errors import PlatformError, UserError
from apps.deployments.models import Deployment
from apps.logs import reader
from apps.logs.lines import EVENT, Line
from apps.logs.stages import shown
from apps.pods.contents import routes_of
from apps.pushes.arrival import Deploying

PAUSE = 0.4  # seconds between two looks
PAGE = 1000
FAR = 50_000  # lines behind from which the person is shown a gap instead
NEAR = 5_000  # and where it goes on
LAST = 3.0  # seconds after the end in which the last lines may come
LONGEST = 2 * 3600  # seconds a deployment is watched
_watchers = itertools.count()
_watching: set[int] = set()
_one = threading.Lock()


def told(what: Deploying, *, gone: Callable[[], bool]) -> Iterator[str]:
    """Everything there is to say of the deployment, piece by piece, until it has ended or `gone()`."""
    with _place() as free:
        page = _page(what.deployment)
        if not free:
            yield f"Many pushes are being watched: this one goes on without a report here. See {page}\n"
            return
        yield f"Its log, which Ctrl-C leaves going on, is also at {page}\n"
        yield from _followed(what.deployment, gone)
        yield from _ending(what, page)


def refused(error: UserError) -> str:
    return "\n".join(filter(None, (f"Not deployed. {error.message}", error.hint, f"[{error.code}]"))) + "\n"


def failed(error: PlatformError) -> str:
    return f"Not deployed: the platform failed. {error.message} {error.hint} [{error.code}] ({error.id})\n"


@contextmanager
def _place() -> Iterator[bool]:
    """Whether there is room for one more that is watched."""
    mine = next(_watchers)
    with _one:
        free = len(_watching) < settings.BRAINPOD.push_watchers
        if free:
            _watching.add(mine)
    try:
        yield free
    finally:
        with _one:
            _watching.discard(mine)


def _page(row: Deployment) -> str:
    return settings.BRAINPOD.public_address + reverse("deployment", args=(row.pod.name, row.pk))


def _followed(row: Deployment, gone: Callable[[], bool]) -> Iterator[str]:
    last, until, waiting, ended = 0, time.monotonic() + LONGEST, "", 0.0
    while not gone() and time.monotonic() < until:
        now = Deployment.objects.filter(pk=row.pk).first()
        lines = _after(row.stream, last)
        if lines:
            yield _written(lines, last)
            last = lines[-1].seq
        if now is None or (not now.is_open and _is_over(lines)):
            return
        if not now.is_open:
            ended = ended or time.monotonic()
            if not lines and time.monotonic() - ended > LAST:
                return
        words = _waits(now)
        if words != waiting:
            waiting = words
            yield f"{words}\n" if words else ""
        if len(lines) < PAGE:
            time.sleep(PAUSE)


def _after(stream: str, last: int) -> list[Line]:
    newest = reader.last_seq(stream)
    if newest - last > FAR:
        last = newest - NEAR
    return reader.read(stream, after=last, limit=PAGE)


def _written(lines: list[Line], last: int) -> str:
    pieces = []
    for line in lines:
        if line.seq != last + 1:
            pieces.append(f"[{line.seq - last - 1} lines are not shown here]\n")
        last = line.seq
        pieces.append(f"{shown(line)}\n")
    return "".join(pieces)


def _is_over(lines: list[Line]) -> bool:
    """Whether the last thing that is ever written has been read."""
    return any(line.level == EVENT and '"kind":"deployment"' in line.text for line in lines)


def _waits(row: Deployment) -> str:
    if row.state != "waiting":
        return ""
    return {
        "slot": "Waiting: the team's builds are all under way.",
        "minutes": "Waiting: the team's build minutes are used up.",
        "builder": "Waiting for a free builder.",
        "region": "Waiting: no builder of the pod's region is there.",
        "daemon": "Waiting: Docker does not answer.",
    }.get(row.waits_for, "Waiting for another deployment of the pod, or a free worker.")


def _ending(what: Deploying, page: str) -> Iterator[str]:
    row = Deployment.objects.select_related("revision", "pod").filter(pk=what.deployment.pk).first()
    if row is None:
        yield "The pod was deleted.\n"
    elif row.is_open:
        yield f"Still under way: {page}\n"
    elif row.state == "ready":
        addresses = _addresses(row, what.app)
        yield f"\n{what.app} is live{' at ' if addresses else ''}{', '.join(addresses)}\n"
    else:
        known = [f"{row.state.capitalize()}: {row.error}" if row.error else f"{row.state.capitalize()}.", row.hint]
        code = f"[{row.error_code}]" if row.error_code else ""
        live = row.pod.live_id is not None
        left = "The push is stored; " + ("what was live before goes on serving." if live else "nothing is live yet.")
        yield "\n" + "".join(f"{line}\n" for line in (*known, code, left, page) if line)


def _addresses(row: Deployment, app: str) -> list[str]:
    """Where visitors find the app."""
    found = []
    for route in routes_of(row.revision.snapshot()).values():
        paths = [rule.path.rstrip("/") for rule in route.rules if rule.app == app]
        if route.hostname and paths:
            found.append(settings.BRAINPOD.url(route.hostname) + min(paths, key=len))
    return found
