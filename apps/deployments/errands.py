"""Errands: asked for by people, done by workers, so that nobody's page waits for a slow host.

The rows say what there is to do; a wake-up that is lost, or a worker that died, is made up for by `tend`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from django.db.models import F, QuerySet
from django.utils import timezone

from apps.core.errors import PlatformError, UserError
from apps.core.leases import Lease, LeaseLost, acquire, kept
from apps.core.states import move
from apps.deployments import wake as workers
from apps.deployments.events import changed
from apps.pods.errands import Errand

log = structlog.get_logger(__name__)
Row = TypeVar("Row", bound=Errand)


@dataclass(frozen=True)
class Errands(Generic[Row]):
    """All errands of one kind.

    `task`: that which calls `run`. `work(row, lease)` does it and ends it by `end`, or raises why it failed: UserError
    for the person to read, whatever else for the operator. `at_once`: how many are under way; one a team, so that
    nobody's slow host holds up the others. `late`, `broken`: what is said of one whose deadline has passed, and of one
    that the platform failed at.
    """

    rows: type[Row]
    task: str
    work: Callable[[Row, Lease], None]
    at_once: int
    late: UserError
    broken: tuple[str, str]  # words and hint

    def open(self) -> QuerySet[Row]:
        return self.rows._default_manager.filter(state__in=tuple(self.rows.moves)).select_related("pod__team")

    def run(self, pk: str) -> None:
        """Work on one until it has ended, if nobody does and there is room. Safe to call at any time."""
        row = self.open().filter(pk=pk).first()
        if row is None or row.pod.deleting_at or not self._has_room(row):
            return
        lease = acquire(row)
        if lease is None:
            return
        with kept(lease):
            if row.is_open:
                self._carry_out(row, lease)
        self._wake_next()

    def tend(self) -> list[Row]:
        """End what is past its deadline, have what nobody works on worked on, and return what was ended."""
        now, ended = timezone.now(), list[Row]()
        if not self.rows._default_manager.filter(state__in=tuple(self.rows.moves)).exists():
            return ended  # nearly always
        for row in self.open().filter(deadline__lt=now):
            if move(
                row, "failed", table=row.moves, where={"fence": row.fence}, fence=F("fence") + 1, leased_until=None,
                finished_at=now, **_said(self.late),
            ):  # fmt: skip
                changed(row.pod_id)
                ended.append(row)
        self._wake_next()
        return ended

    def end(self, row: Row, lease: Lease, state: str, error: UserError | None = None, **found: Any) -> bool:
        """False, and nothing is written, once the lease is lost or the row gone with its pod."""
        if not self.rows._default_manager.filter(pk=row.pk).exists():
            return False
        said = _said(error) if error else {}
        ended = move(row, state, table=row.moves, where=lease.where, finished_at=timezone.now(), **said, **found)
        changed(row.pod_id)
        return ended

    def _carry_out(self, row: Row, lease: Lease) -> None:
        kind = self.rows._meta.model_name
        try:
            self.work(row, lease)
        except LeaseLost:
            log.info("lease_lost", errand=kind, id=row.pk)
        except UserError as error:
            self.end(row, lease, "failed", error)
        except PlatformError as error:
            log.exception("errand_failed", errand=kind, id=row.pk, error_id=error.id)
            self.end(row, lease, "failed", UserError(error.code, f"{error.message} ({error.id})", error.hint))
        except Exception:
            words, hint = self.broken
            failure = PlatformError("internal_error", words)
            log.exception("errand_failed", errand=kind, id=row.pk, error_id=failure.id)
            self.end(row, lease, "failed", UserError(failure.code, f"{words} ({failure.id})", hint))

    def _has_room(self, row: Row) -> bool:
        others = self.open().filter(leased_until__isnull=False).exclude(pk=row.pk)
        busy = [other.pod.team_id for other in others if other.held]
        return len(busy) < self.at_once and row.pod.team_id not in busy

    def _wake_next(self) -> None:
        """The oldest that may begin; whoever ends it wakes the next."""
        for row in self.open().filter(pod__deleting_at=None).order_by("id"):
            if not row.held and self._has_room(row):
                workers.wake(self.task, row.pk)
                return


def overtime(lease: Lease, seconds: float) -> Callable[[], bool]:
    """What tells a long step to stop: the lease is lost, or `seconds` from now have passed."""
    until = time.monotonic() + seconds

    def cancelled() -> bool:
        try:
            lease.check()
        except LeaseLost:
            return True
        return time.monotonic() > until

    return cancelled


def _said(error: UserError) -> dict[str, str]:
    return {"error_code": error.code, "error": error.message[:2000], "hint": error.hint[:2000]}
