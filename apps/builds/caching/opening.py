"""The cache of one build: opened for it, in use until it ends, looked after afterwards."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.timesince import timesince

from apps.accounts.models import User
from apps.audit import trail
from apps.builds import caching
from apps.builds.caching import tending
from apps.builds.caching.cache import Cache, Shelf
from apps.builds.caching.place import PRODUCTION, Place, in_use
from apps.builds.models import Build, BuildCache
from apps.pods.models import Pod

log = structlog.get_logger(__name__)


@contextmanager
def opened(build: Build, *, on: bool, scratch: Path, write: Callable[[str], None]) -> Iterator[Cache]:
    """The cache for `build`, by its zone. Not `on`: an empty one in `scratch`, and what was kept is not used again."""
    row = _row(build)
    if not on:
        if row.last_used_at and (row.cleared_at is None or row.last_used_at > row.cleared_at):
            _clear(row.pod, row.app, row.zone)
        yield Cache(Shelf(scratch / "cache"), on=False, write=write, state="off")
        return
    place = tending.place(row)
    state = _state(row, place)
    BuildCache.objects.filter(pk=row.pk).update(last_used_at=timezone.now())
    production = None
    if row.zone != PRODUCTION:
        production = BuildCache.objects.filter(pod=row.pod, app=row.app, zone=PRODUCTION).first()
    trusted = tending.place(production) if production else None
    try:
        with in_use(place.directory):
            yield Cache(
                own=Shelf(place.directory, place.scope),
                trusted=Shelf(trusted.directory, trusted.scope) if trusted else None,
                store=caching.store(),
                write=write,
                state=state,
            )
    finally:
        BuildCache.objects.filter(pk=row.pk).update(last_used_at=timezone.now())
        tending.wake()


def clear(*, pod: Pod, app: str, by: User | None) -> None:
    """From now on every build of `app` begins with nothing. A build under way keeps what it has, for itself."""
    with transaction.atomic():
        _clear(pod, app)
        trail.note("cache.clear", by=by, about=pod, part=app)
    log.info("cache_cleared", pod=pod.pk, app=app, by=by.pk if by else None)


def _clear(pod: Pod, app: str, zone: str = "") -> None:
    rows = BuildCache.objects.filter(pod=pod, app=app, **({"zone": zone} if zone else {}))
    now = timezone.now()
    rows.update(generation=F("generation") + 1, size=0, files=0, entries=0, parts={}, cleared_at=now, tended_at=now)


def _row(build: Build) -> BuildCache:
    pod = build.revision.pod
    row, _ = BuildCache.objects.get_or_create(
        pod=pod, app=build.app, zone=build.zone, defaults={"team_id": pod.team_id}
    )
    return row


def _state(row: BuildCache, place: Place) -> str:
    if place.directory.is_dir() and any(place.directory.iterdir()):
        return ""
    used, now = row.last_used_at, timezone.now()
    if row.cleared_at and (used is None or used <= row.cleared_at):
        return f"cold (cleared {_ago(row.cleared_at)})"
    if used is None:
        return "cold (the first build)"
    if used < now - datetime.timedelta(days=settings.BRAINPOD.cache_days):
        return f"cold (not used for {_ago(used).removesuffix(' ago')})"
    return "cold (nothing is kept on this machine)"


def _ago(moment: datetime.datetime) -> str:
    words = timesince(moment, depth=1).replace("\xa0", " ")
    return "just now" if words.startswith("0 ") else f"{words} ago"
