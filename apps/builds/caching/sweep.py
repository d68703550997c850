"""What nobody will use again, of this machine and of the shared store: hourly, in batches, at low priority."""

from __future__ import annotations

import datetime
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import structlog
from django.conf import settings
from django.utils import timezone

from apps.accounts.models import Team
from apps.artifacts.objects import Objects, ObjectsAway
from apps.builds import bundle, caching
from apps.builds.caching import index, tending, travel
from apps.builds.caching.place import GONE, ZONE, idle
from apps.builds.models import Artifact, BuildCache

log = structlog.get_logger(__name__)
HOUR, DAY = 3600.0, 86400.0
_SWEPT = ".swept"
_PAUSE = 0.2  # seconds between two deletions


def sweep_when_due() -> bool:
    """For machines that only build: there nothing happens by the clock, so it does after a build, once an hour.

    Whether it was due.
    """
    try:
        last = (tending.root() / _SWEPT).stat().st_mtime
    except FileNotFoundError:
        last = 0.0
    due = last < time.time() - HOUR
    if due:
        sweep()
    return due


def sweep() -> None:
    """Idle caches, cleared and ownerless ones, unused toolchains; then the quota, and what is shared."""
    tending.root().mkdir(parents=True, exist_ok=True)
    (tending.root() / _SWEPT).touch()
    days = settings.BRAINPOD.cache_days
    _idle_apps(days)
    _idle_parts(days * DAY)
    _ownerless()
    _toolchains(days * DAY)
    tending.tend()
    for team in Team.objects.filter(pk__in=BuildCache.objects.values("team_id")):
        tending.shrink(team)
    _graves()
    store = caching.store()
    if store is not None:
        try:
            _shared(store, days * DAY)
        except ObjectsAway as error:
            log.warning("cache_store_away", error=str(error))


def named() -> set[str]:
    """The trees that a cache of this machine names: those the store has to keep."""
    return {
        digest for directory in _generations() for _, _, entry in index.every(directory) for digest in entry.digests
    }


def _generations() -> Iterator[Path]:
    """<root>/<team>/<pod>-<app>/<zone>/g<number>"""
    return tending.root().glob("[!.]*/[!.]*/[!.]*/g*")


def _idle_apps(days: int) -> None:
    limit = timezone.now() - datetime.timedelta(days=days)
    for row in BuildCache.objects.filter(last_used_at__lt=limit):
        directory = tending.place(row).directory
        with idle(directory) as free:
            if free and BuildCache.objects.filter(pk=row.pk, last_used_at__lt=limit).exists():
                tending.aside(directory)
                tending.measure(row)


def _idle_parts(seconds: float) -> None:
    """What an app that is built still does not use: layers of old lockfiles, packages that no install asks for."""
    limit = time.time() - seconds
    for directory in _generations():
        with idle(directory) as free:
            if not free:
                continue
            for _, path, _ in list(index.every(directory)):
                if path.stat().st_mtime < limit:
                    path.unlink(missing_ok=True)
            packages = directory / "packages"
            if packages.is_dir() and packages.stat().st_mtime < limit:
                tending.aside(packages)


def _ownerless() -> None:
    """Cleared generations, deleted apps and zones, and what is no cache as it is made today."""
    current = {tending.place(row).directory for row in BuildCache.objects.all()}
    for directory in tending.root().glob("[!.]*/[!.]*/[!.]*"):
        if not ZONE.fullmatch(directory.name.replace("-", ":", 1)):
            tending.aside(directory)
    for directory in _generations():
        if directory not in current:
            with idle(directory) as free:
                if free:
                    tending.aside(directory)


def _toolchains(seconds: float) -> None:
    """Downloaded tools that no build has used for long and no kept artifact is started with."""
    tools = settings.BRAINPOD.state / "tools"
    needed = {
        prefix
        for stored in Artifact.objects.values_list("manifest", flat=True)
        for prefix in bundle.Manifest.from_json(stored).prefixes
    }
    limit = time.time() - seconds
    for home in tools.glob("*") if tools.is_dir() else ():
        kept = any(prefix == str(home) or prefix.startswith(f"{home}/") for prefix in needed)
        if not kept and home.lstat().st_mtime < limit:
            tending.aside(home)


def _graves() -> None:
    for grave in sorted((tending.root() / GONE).glob("*")):
        subprocess.run(["nice", "-n", "19", "rm", "-rf", "--", str(grave)], check=False, stdin=subprocess.DEVNULL)
        time.sleep(_PAUSE)


def _shared(store: Objects, seconds: float) -> None:
    rows = {tending.place(row).scope: row for row in BuildCache.objects.all()}
    limit = timezone.now() - datetime.timedelta(seconds=seconds)
    for scope in travel.scopes(store):
        row = rows.get(scope)
        if row is None or (row.last_used_at or row.created_at) < limit:
            travel.drop(store, scope)
        else:
            travel.forget(store, scope, older_than=seconds)
