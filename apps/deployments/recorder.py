"""The ledger of one deployment: every stage timed, logged, cancellable, and its error recorded where it happened."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.utils import timezone

from apps.core.errors import PlatformError, UserError
from apps.core.failpoints import failpoint
from apps.core.leases import LeaseLost
from apps.deployments.attended import Attended, Cancelled
from apps.deployments.events import changed
from apps.deployments.models import STAGE_TITLES, Deployment, StageRun

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Note:
    """What is worth saying of a stage, once it is known."""

    text: str = ""


@dataclass(slots=True)
class Recorder(Attended):
    """`lease` fences every write; `log` is the deployment's stream."""

    deployment: Deployment
    _began: dict[tuple[str, str], datetime.datetime] = field(default_factory=dict)

    def write(self, text: str) -> None:
        self.log.line(text)

    def hide(self, values: Iterable[str]) -> None:
        """Mask these too, in all that is written from now on."""
        self.log.mask = self.log.mask.also(values)

    def _is_asked_to_end(self) -> bool:
        row = Deployment.objects.filter(pk=self.deployment.pk).values_list("cancel_at", "switched_at").first()
        return row is None or (row[0] is not None and row[1] is None)

    @contextmanager
    def stage(self, stage: str, app: str) -> Iterator[Note]:
        """Run one stage: times it, opens its section of the log, and records how it ended."""
        self.check()
        self.log.section(f"{STAGE_TITLES[stage]} · {app}")
        log.info("stage", stage=stage, app=app, pod=self.deployment.pod_id)
        self._set(stage, app=app, state="running", started_at=timezone.now(), finished_at=None, note="")
        failpoint(f"before-{stage}", self.deployment.pod_id)
        note = Note()
        try:
            yield note
            self.lease.check()
        except LeaseLost:
            raise
        except Exception as error:
            if self.cancelled() and not isinstance(error, UserError | Cancelled):
                self.lease.check()
                error = Cancelled()  # what was interrupted says so in its own words
            self._ended(stage, app, error)
            raise error from None
        failpoint(f"after-{stage}", self.deployment.pod_id)
        self._set(stage, app=app, state="passed", finished_at=timezone.now(), note=note.text[:300])

    def skip(self, *stages: str, app: str, why: str) -> None:
        self._set(*stages, app=app, state="skipped", note=why[:300])

    def _ended(self, stage: str, app: str, error: Exception) -> None:
        if isinstance(error, Cancelled):
            self._set(stage, app=app, state="skipped", finished_at=timezone.now(), note="Cancelled.")
            return
        # Whoever ends the deployment writes the error and its hint into the log, as this section's last line.
        told = str(error) if isinstance(error, UserError | PlatformError) else "The platform failed here."
        told = self.log.mask(told)  # it may quote what a command printed
        self._set(stage, app=app, state="failed", finished_at=timezone.now(), note=told[:300])

    def _set(self, *stages: str, app: str, **fields: Any) -> None:
        self.lease.check()
        rows = StageRun.objects.filter(deployment=self.deployment, stage__in=stages, app=app)
        rows.filter(deployment__fence=self.lease.fence).update(**fields)
        for stage in stages:
            self._tell(stage, app, **fields)
        changed(self.deployment.pod_id, self.deployment.pk)

    def _tell(self, stage: str, app: str, *, state: str, note: str = "", **moments: Any) -> None:
        """The same among the lines of the log."""
        key = (stage, app)
        if moments.get("started_at"):
            self._began[key] = moments["started_at"]
        began, ended = self._began.get(key), moments.get("finished_at")
        seconds = max(0.0, round((ended - began).total_seconds(), 1)) if began and ended else None
        self.log.stage(title=STAGE_TITLES[stage], app=app, stage=stage, state=state, seconds=seconds, note=note)
