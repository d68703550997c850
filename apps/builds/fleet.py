"""The machines that build: how they announce themselves, and which one is given a build.

Every process that may build is part of one builder, named in its settings. The process in charge of it announces it
every few seconds; a builder that falls silent, or whose process has ended, is given nothing more, and what it had is
taken over by another (apps.deployments.dispatch).

Where images travel by no registry they stay in the Docker daemon that built them, and only what runs in the same one
can be started from them: builders say which they have, the platform which it runs (`Runtime`), `usable` compares.
"""

from __future__ import annotations

import datetime
import os
import struct
import threading
import time
from collections.abc import Iterable, Mapping
from mmap import mmap

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from apps import artifacts, engines
from apps.builds.image import images
from apps.builds.models import SILENT, Builder, Runtime
from apps.core import holders
from apps.core.errors import Unavailable
from apps.pods.models import Pod

log = structlog.get_logger(__name__)
SHARED = 16  # bytes
HEARTBEAT = SILENT.total_seconds() / 5  # seconds
IDENTIFIED = datetime.timedelta(seconds=60)  # how long a daemon is taken for the one it was
_known: dict[str, tuple[str, float]] = {}  # address → ID of the daemon there, until when
FRESH = datetime.timedelta(seconds=HEARTBEAT * 0.75)  # what another process of the pool said lately is enough


def here() -> Builder | None:
    """The builder this process is part of; None if it builds nothing."""
    if not settings.BRAINPOD.builds:
        return None
    found = Builder.objects.filter(name=settings.BRAINPOD.builder_name).first()
    return found if found is not None and found.alive else announce()


def announce(*, dedicated: bool | None = None, holder: str = "", started: bool = False) -> Builder:
    """Say that the builder of this host is there. `dedicated` None: as before; a new one is not.

    `holder`: the process without which it is not there, this one if empty; `started`: it has just begun.
    """
    config = settings.BRAINPOD
    said = {
        "region": config.region,
        "capacity": config.workers,
        "labels": [label.strip() for label in config.builder_labels.split(",") if label.strip()],
        "holder": holder or holders.me(),
        "seen_at": timezone.now(),
        "daemon": _daemon(),
    }
    if dedicated is not None:
        said["dedicated"] = dedicated
    new = {"dedicated": bool(dedicated), "started_at": timezone.now()}
    said |= {"started_at": timezone.now()} if started else {}
    rows = Builder.objects.filter(name=config.builder_name)
    return rows.update_or_create(name=config.builder_name, defaults=said, create_defaults=said | new)[0]


def leave() -> None:
    """Take leave: nothing more is wanted to do. What is under way here goes on."""
    Builder.objects.filter(name=settings.BRAINPOD.builder_name).update(seen_at=None)


def regions(pod: Pod) -> list[str]:
    """Where `pod` could be built: the regions with a builder, and its own."""
    return sorted({pod.region, *Builder.objects.values_list("region", flat=True)})


def usable(builders: list[Builder], engine: str) -> list[Builder]:
    """Those of `builders` whose images the platform's engine of that name can run."""
    if not _images_stay(engine):
        return builders
    runs = Runtime.objects.values_list("daemon", flat=True).first()
    return [b for b in builders if not b.dedicated or (b.daemon and b.daemon == runs)]


def note_runtime() -> None:
    """Write down which daemon the platform runs images in, if nobody has lately."""
    if not _images_stay(*engines.offered()) or Runtime.objects.filter(seen_at__gt=timezone.now() - IDENTIFIED).exists():
        return
    said = {"daemon": images.identity(settings.BRAINPOD.docker_address), "seen_at": timezone.now()}
    Runtime.objects.update_or_create(pk=1, defaults=said)


def _images_stay(*names: str) -> bool:
    """Whether images for one of these engines are only where they were built."""
    if not settings.BRAINPOD.docker_address or artifacts.registry() is not None:
        return False
    return any("image" in engines.named(name).artifacts for name in names)


def _daemon() -> str:
    """The ID of the daemon of this machine, asked now and then; one that does not answer is taken for the one it was.

    Empty where it makes no difference, or has not answered yet.
    """
    if not _images_stay(*engines.offered()):
        return ""
    found, until = _known.get(settings.BRAINPOD.docker_address, ("", 0.0))
    if time.monotonic() >= until:
        try:
            found = images.identity(settings.BRAINPOD.docker_address)
        except Unavailable as error:
            log.warning("daemon_unknown", error=str(error))
        _known[settings.BRAINPOD.docker_address] = (found, time.monotonic() + IDENTIFIED.total_seconds())
    return found


def choose(builders: Iterable[Builder], region: str, load: Mapping[int, int]) -> Builder | None:
    """The one in `region` with the smallest part of its capacity taken; None if all are full. `load`: by row."""
    free = [b for b in builders if b.region == region and load.get(b.pk, 0) < b.capacity]
    return min(free, key=lambda b: (load.get(b.pk, 0) / b.capacity, b.name), default=None)


class Heartbeat:
    """Threads that announce the builder of this host: one in each process of a worker's pool, whoever is first.

    Never in the worker's first process: it forks, and SQLite's locks are lost in whoever inherits an open connection.
    """

    def __init__(self, shared: mmap, *, dedicated: bool) -> None:
        """`shared`: bytes that all of the pool see (SHARED of them). The first is not zero once nothing more is wanted
        to do; the last eight say when the builder was announced. No lock guards them: whoever holds one may be killed.
        """
        self._shared, self._dedicated = shared, dedicated
        self._worker = holders.of(os.getppid())
        threading.Thread(target=self._run, daemon=True, name="heartbeat").start()

    def _run(self) -> None:
        while True:
            left = bool(self._shared[0])
            try:
                if left:
                    leave()
                elif not self._announced():
                    self._beat()
            except DatabaseError as error:
                log.warning("heartbeat_missed", error=str(error))
            finally:
                connection.close()
            if left:
                return
            until = time.monotonic() + HEARTBEAT
            while time.monotonic() < until and not self._shared[0]:
                time.sleep(1.0)

    def _announced(self) -> bool:
        """Whether another process of the pool has lately: the database need not be asked by each."""
        at: float = struct.unpack_from("d", self._shared, SHARED - 8)[0]
        return 0.0 <= time.monotonic() - at < FRESH.total_seconds()

    def _beat(self) -> None:
        found = Builder.objects.filter(name=settings.BRAINPOD.builder_name).first()
        ours = found is not None and found.holder == self._worker
        if found is None or not ours or found.seen_at is None or found.seen_at < timezone.now() - FRESH:
            announce(dedicated=self._dedicated, holder=self._worker, started=not ours)
        struct.pack_into("d", self._shared, SHARED - 8, time.monotonic())
