"""Leases with fencing tokens: a worker owns a row for a while, and one that lost it can write nothing.

Taking a lease raises the row's `fence`; every write of the holder is conditional on the fence it was given, so a
worker that slept through its lease finds its updates matching no row. A lease ends by itself after its term; that of
a process of this host that has died ends with the process (apps/core/holders.py). One that ends later than any could
was taken before the clock was set back, and holds nothing: who has it takes another at the next renewal.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import close_old_connections, connection, models
from django.db.models import F, Q
from django.utils import timezone

from apps.core import holders


class LeaseLost(Exception):
    """Another worker took the row over; whatever this one was doing is no longer wanted."""


class Leased(models.Model):
    """A row that one worker at a time works on."""

    fence = models.BigIntegerField(default=0, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    holder = models.CharField(max_length=120, default="", editable=False)

    class Meta:
        abstract = True

    @property
    def held(self) -> bool:
        """Whether a worker that may still be alive has it."""
        until, now = self.leased_until, timezone.now()
        return until is not None and now < until <= _latest(now) and not holders.gone(self.holder)


def _term() -> datetime.timedelta:
    return datetime.timedelta(seconds=settings.BRAINPOD.lease_seconds)


def _latest(now: datetime.datetime) -> datetime.datetime:
    """When a lease ends at the latest: the clocks of two hosts may differ, and the version before had longer terms."""
    return now + 10 * _term()


class Lease:
    """One holding of one row. `where` is the condition every write of the holder must carry."""

    def __init__(self, row: Leased, fence: int) -> None:
        self._rows = type(row)._default_manager.filter(pk=row.pk, fence=fence)
        self.fence = fence
        self._lost = threading.Event()

    @property
    def where(self) -> dict[str, Any]:
        return {"fence": self.fence}

    def check(self) -> None:
        """Raise LeaseLost once a renewal found the row taken over."""
        if self._lost.is_set():
            raise LeaseLost

    def renew(self) -> None:
        """Hold the row for another term. Raises LeaseLost."""
        if not self._rows.update(leased_until=timezone.now() + _term()):
            self._lost.set()
            raise LeaseLost

    def release(self) -> None:
        self._rows.update(leased_until=None)

    def _keep(self, stop: threading.Event) -> None:
        try:
            while not stop.wait(_term().total_seconds() / 3):
                close_old_connections()
                try:
                    self.renew()
                except LeaseLost:
                    return
                except Exception:  # noqa: BLE001 - the database is away: again, the lease's end decides # nosec B112
                    continue
        finally:
            connection.close()


def free(now: datetime.datetime) -> Q:
    """That nobody's lease holds a row."""
    return Q(leased_until__isnull=True) | Q(leased_until__lte=now) | Q(leased_until__gt=_latest(now))


def acquire(row: Leased, **where: Any) -> Lease | None:
    """Take `row` if nobody alive holds it (and `where` holds); None if somebody does. `row` is reloaded."""
    rows = type(row)._default_manager.filter(pk=row.pk, **where)
    now = timezone.now()
    taking = {"fence": F("fence") + 1, "leased_until": now + _term(), "holder": holders.me()}
    taken = rows.filter(free(now)).update(**taking)
    row.refresh_from_db()
    if not taken and row.leased_until is not None and holders.gone(row.holder):
        taken = rows.filter(fence=row.fence).update(**taking)
        row.refresh_from_db()
    return Lease(row, row.fence) if taken else None


@contextmanager
def kept(lease: Lease) -> Iterator[Lease]:
    """Renew `lease` from a thread of its own while the body runs, then release it."""
    stop = threading.Event()
    thread = threading.Thread(target=lease._keep, args=(stop,), daemon=True, name="lease")
    thread.start()
    try:
        yield lease
    finally:
        stop.set()
        thread.join(timeout=10)
        lease.release()
