"""Celery's clockwork, for clocks that are set back."""

from __future__ import annotations

import datetime
from typing import Any

from celery.beat import PersistentScheduler

LONG_AGO = datetime.timedelta(days=1)  # anything was due since


class Scheduler(PersistentScheduler):
    """What was last sent in the future was sent before the clock was set back: it is due now, not when the clock has
    come there again. Celery's own would send nothing for as long as the clock was set back.
    """

    def tick(self, *given: Any, **named: Any) -> Any:
        ahead = [entry for entry in self.schedule.values() if entry.last_run_at > entry.default_now()]
        for entry in ahead:
            entry.last_run_at = entry.default_now() - LONG_AGO
        if ahead:
            self._heap = None  # in the order of moments that are far away
        return super().tick(*given, **named)
