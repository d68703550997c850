"""The machines that build: how they announce themselves, and which one is given a build.

Every process that may build is part of one builder, named in its settings. The process in charge of it announces it
every few seconds; a builder that falls silent, or whose process has ended, is given nothing more, and what it had is
taken over by another (apps.deployments.dispatch).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from apps.builds.models import SILENT, Builder
from apps.core import holders
from apps.pods.models import Pod

log = structlog.get_logger(__name__)
HEARTBEAT = SILENT.total_seconds() / 5  # seconds


def here() -> Builder | None:
    """The builder this process is part of; None if it builds nothing."""
    if not settings.BRAINPOD.builds:
        return None
    found = Builder.objects.filter(name=settings.BRAINPOD.builder_name).first()
    return found if found is not None and found.alive else announce()


def announce(*, dedicated: bool | None = None) -> Builder:
    """Say that the builder of this host is there. `dedicated` None: as before; a new one is not."""
    config = settings.BRAINPOD
    said = {
        "region": config.region,
        "capacity": config.workers,
        "labels": [label.strip() for label in config.builder_labels.split(",") if label.strip()],
        "holder": holders.me(),
        "seen_at": timezone.now(),
    }
    if dedicated is not None:
        said["dedicated"] = dedicated
    new = {"dedicated": bool(dedicated), "started_at": timezone.now()}
    found, _ = Builder.objects.update_or_create(
        name=settings.BRAINPOD.builder_name, defaults=said, create_defaults=said | new
    )
    return found


def leave() -> None:
    """Take leave: nothing more is wanted to do. What is under way here goes on."""
    Builder.objects.filter(name=settings.BRAINPOD.builder_name).update(seen_at=None)


def regions(pod: Pod) -> list[str]:
    """Where `pod` could be built: the regions with a builder, and its own."""
    return sorted({pod.region, *Builder.objects.values_list("region", flat=True)})


def choose(builders: Iterable[Builder], region: str, load: Mapping[int, int]) -> Builder | None:
    """The one in `region` with the smallest part of its capacity taken; None if all are full. `load`: by row."""
    free = [b for b in builders if b.region == region and load.get(b.pk, 0) < b.capacity]
    return min(free, key=lambda b: (load.get(b.pk, 0) / b.capacity, b.name), default=None)


class Heartbeat:
    """A thread that announces the builder of this host until it is stopped."""

    def __init__(self, *, dedicated: bool) -> None:
        self._dedicated = dedicated
        self._stop = threading.Event()
        Builder.objects.filter(name=settings.BRAINPOD.builder_name).update(started_at=timezone.now())
        self._beat()
        self._thread = threading.Thread(target=self._run, daemon=True, name="heartbeat")
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)
        leave()

    def _run(self) -> None:
        while not self._stop.wait(HEARTBEAT):
            self._beat()

    def _beat(self) -> None:
        """A connection of its own each time: a process that is forked meanwhile must not inherit an open one."""
        try:
            announce(dedicated=self._dedicated)
        except DatabaseError as error:
            log.warning("heartbeat_missed", error=str(error))
        finally:
            connection.close()
