"""After a build: its cache is measured, shared with other machines, and its team's kept within the quota."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from celery import current_app
from django.conf import settings
from django.db.models import F, Q, Sum
from django.utils import timezone

from apps.accounts.models import Team
from apps.artifacts.objects import Objects, ObjectsAway
from apps.builds import bundle, caching
from apps.builds.caching import index, sizes, travel
from apps.builds.caching.index import Entry
from apps.builds.caching.place import GONE, Place, idle, in_use
from apps.builds.models import Artifact, BuildCache
from apps.core.errors import PlatformError

log = structlog.get_logger(__name__)
TASK = "builds.tend_caches"
_LAST = 9  # the lowest priority
_TOLD = 86400.0  # seconds after which the shared store is told again that something is of use
MB = 1_000_000


def root() -> Path:
    return settings.BRAINPOD.state / "cache"


def place(row: BuildCache) -> Place:
    return Place(root(), str(row.team_id), row.pod_id, row.app, row.zone, row.generation)


def wake() -> None:
    """Have a worker of this machine tend soon. A message that is lost is made up for by the next."""
    queue = settings.BRAINPOD.builder_queue if settings.BRAINPOD.builds else None
    try:
        current_app.send_task(TASK, queue=queue, retry=False, ignore_result=True, priority=_LAST)
    except Exception as error:  # noqa: BLE001 - kombu's errors differ by transport
        log.warning("broker_away", task=TASK, error=str(error))


def tend() -> None:
    """Every cache of this machine that was used since it was last tended; by one process at a time."""
    with _alone() as alone:
        if not alone:
            return  # who does it looks again before it ends
        seen: set[int] = set()
        away = False
        while row := _next(seen):
            seen.add(row.pk)
            if not place(row).directory.is_dir():
                continue  # it was another machine's build
            measure(row)
            away = away or not _share(row)
            shrink(row.team)


def measure(row: BuildCache) -> None:
    began = timezone.now()
    found = sizes.of(place(row).directory)
    values = {"size": found.size, "files": found.files, "entries": found.entries, "parts": found.parts}
    # Not for a generation that was cleared meanwhile.
    BuildCache.objects.filter(pk=row.pk, generation=row.generation).update(**values, tended_at=began)


def shrink(team: Team) -> None:
    """Evict what was not used for longest until the team's caches fit the quota; never what a build is using."""
    quota = settings.BRAINPOD.cache_mb * MB
    rows = BuildCache.objects.filter(team=team)
    if (rows.aggregate(all=Sum("size"))["all"] or 0) <= quota:
        return
    needed = retained()
    for row in rows.filter(size__gt=0).order_by(F("last_used_at").asc(nulls_first=True)):
        directory = place(row).directory
        with idle(directory) as free:
            if free:
                _evict(row, directory, needed, quota)
        if (rows.aggregate(all=Sum("size"))["all"] or 0) <= quota:
            return


def retained() -> set[str]:
    """The trees of every artifact that is kept."""
    manifests = Artifact.objects.values_list("manifest", flat=True)
    return {digest for stored in manifests for digest in bundle.Manifest.from_json(stored).digests}


def aside(path: Path) -> None:
    """Out of the way at once; deleted by the sweep."""
    graves = root() / GONE
    graves.mkdir(parents=True, exist_ok=True)
    try:
        path.rename(graves / f"{time.time_ns()}-{os.urandom(4).hex()}")
    except FileNotFoundError:
        pass


def _evict(row: BuildCache, directory: Path, needed: set[str], quota: int) -> None:
    """Layers that no kept revision has, then the rest, part by part, until the team fits."""
    for part, path, entry in list(index.every(directory)):
        if part != index.LAYERS or entry.digest not in needed:
            path.unlink(missing_ok=True)
    measure(row)
    team = BuildCache.objects.filter(team_id=row.team_id)
    for path in [child for child in directory.iterdir() if child.name not in index.PARTS]:
        if (team.aggregate(all=Sum("size"))["all"] or 0) <= quota:
            return
        aside(path)
        measure(row)


def _next(seen: set[int]) -> BuildCache | None:
    used = BuildCache.objects.exclude(last_used_at=None).exclude(pk__in=seen)
    return used.filter(Q(tended_at=None) | Q(tended_at__lt=F("last_used_at"))).order_by("last_used_at").first()


def _share(row: BuildCache) -> bool:
    """Put into the shared store what it does not have; False if it does not answer."""
    store = caching.store()
    if store is None:
        return True
    where = place(row)
    with in_use(where.directory):
        for part, path, entry in index.every(where.directory):
            try:
                _tell(store, where, part, path, entry)
            except ObjectsAway as error:
                log.warning("cache_store_away", error=str(error))
                return False
            except PlatformError:
                continue  # its tree is gone: the next build that wants it makes it anew
    return True


def _tell(store: Objects, where: Place, part: str, path: Path, entry: Entry) -> None:
    now, used = time.time(), path.stat().st_mtime
    if entry.sent and used < entry.sent + _TOLD:
        return
    told = Entry(entry.digest, entry.size, entry.files, entry.facts, now)
    if entry.sent:
        travel.used(store, where.scope, part, path.name, told)
    else:
        travel.send(store, where.scope, part, path.name, told)
    index.write(where.directory, part, path.name, told)
    os.utime(where.directory / part / path.name, (used, used))


@contextmanager
def _alone() -> Iterator[bool]:
    root().mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root() / ".tending.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)
