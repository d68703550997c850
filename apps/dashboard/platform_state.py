"""What the platform has to do and has left: queues, leases, outboxes, the edge, certificates, room on the disk."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis
from django.conf import settings
from django.db.models import Count, Min, Q
from django.utils import timezone

from apps.backups.models import Backup
from apps.builds.models import Builder
from apps.certificates.models import Certificate
from apps.core.errors import PlatformError
from apps.core.leases import Leased
from apps.deployments.models import OPEN_STATES, Deployment
from apps.edge import edge
from apps.notify.models import Delivery
from apps.reporting.models import Report

PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")  # what kombu appends to a queue's name (brainpod/celery.py)
UNDER_WAY = "unacked"  # where it keeps what a worker has and has not answered for


@dataclass(frozen=True, slots=True)
class Leases:
    """Rows of one kind that a worker holds, and those whose worker went away without letting go."""

    kind: str
    held: int
    run_out: int


@dataclass(frozen=True, slots=True)
class Outbox:
    """What is still to be sent. `since`: of the oldest that is due; None: nothing is."""

    name: str
    waiting: int
    since: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class BuilderState:
    builder: Builder
    busy: int

    @property
    def state(self) -> str:
        return ("draining" if self.builder.draining else "ready") if self.builder.alive else "lost"


@dataclass(frozen=True, slots=True)
class EdgeState:
    """`in_place`: the number of the configuration on the disk; `served`: of the one nginx says it has, 0: none."""

    in_place: int
    served: int
    refused: str


@dataclass(frozen=True, slots=True)
class Disk:
    free: int
    size: int
    spare: int

    @property
    def short(self) -> bool:
        return self.free < self.spare


def queues() -> dict[str, int] | None:
    """Messages that wait, by queue, and those under way; None while the broker does not answer."""
    names = ["celery", *(builder.queue for builder in Builder.objects.order_by("name"))]
    try:
        with redis.Redis.from_url(settings.VALKEY_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            with client.pipeline(transaction=False) as pipe:
                for name in names:
                    for suffix in PRIORITIES:
                        pipe.llen(f"{name}{suffix}")
                pipe.hlen(UNDER_WAY)
                *lengths, under_way = pipe.execute()
    except redis.RedisError:
        return None
    each = len(PRIORITIES)
    depths = {name: sum(lengths[at * each : (at + 1) * each]) for at, name in enumerate(names)}
    return {**depths, UNDER_WAY: under_way}


def leases() -> list[Leases]:
    """Of every kind of row that is worked on."""
    now = timezone.now()
    found = []
    for model in sorted(_leased(Leased), key=lambda model: str(model._meta.label_lower)):
        counts = model._default_manager.aggregate(
            held=Count("pk", Q(leased_until__gt=now)), run_out=Count("pk", Q(leased_until__lte=now))
        )
        found.append(Leases(str(model._meta.label_lower), counts["held"], counts["run_out"]))
    return found


def _leased(model: Any) -> Iterator[Any]:
    for one in model.__subclasses__():
        if not one._meta.abstract:
            yield one
        yield from _leased(one)


def outboxes() -> list[Outbox]:
    now = timezone.now()
    due = Delivery.objects.filter(state="pending")
    told = due.aggregate(count=Count("pk"), since=Min("next_at", filter=Q(next_at__lte=now)))
    copies = Backup.objects.filter(remote="waiting").aggregate(count=Count("pk"), since=Min("finished_at"))
    reports = Report.objects.exclude(next_at=None)
    reported = reports.aggregate(count=Count("pk"), since=Min("next_at", filter=Q(next_at__lte=now)))
    return [
        Outbox("notifications", told["count"], told["since"]),
        Outbox("reports to git hosts", reported["count"], reported["since"]),
        Outbox("backup copies", copies["count"], copies["since"]),
    ]


def builders() -> list[BuilderState]:
    rows = Deployment.objects.filter(state__in=OPEN_STATES, built_at=None).exclude(builder=None)
    busy = dict(rows.order_by().values_list("builder").annotate(count=Count("pk")))
    return [BuilderState(one, busy.get(one.pk, 0)) for one in Builder.objects.all()]


def edge_state() -> EdgeState:
    served = edge().served()
    try:
        number = edge().generation()
    except PlatformError:
        number = 0
    return EdgeState(served.generation, number, served.refused)


def certificates() -> list[tuple[Certificate, int | None]]:
    """With whole days left, the first to end first; None: there is none yet."""
    now = timezone.now()
    rows = Certificate.objects.order_by("not_after", "host")
    return [(one, (one.not_after - now).days if one.not_after else None) for one in rows]


def disk() -> Disk:
    use = shutil.disk_usage(settings.BRAINPOD.state)
    return Disk(use.free, use.total, settings.BRAINPOD.spare_mb * 2**20)
