"""Work that somebody may end and that waits for components: the leases of deployments and of runs of jobs alike."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from apps.core.errors import Unavailable
from apps.core.leases import Lease, LeaseLost
from apps.logs.writer import LogWriter

T = TypeVar("T")
PATIENCE = 600.0  # seconds a component that does not answer is waited for
ASK_EVERY = 0.4  # seconds between two looks at the row for a cancellation


class Cancelled(Exception):
    """Somebody asked for it to be ended, or something takes its place."""


@dataclass(slots=True)
class Attended(ABC):
    """What holds `lease` and tells in `log` what it does."""

    lease: Lease
    log: LogWriter
    _asked: float = field(default=0.0, init=False)
    _cancelled: bool = field(default=False, init=False)

    @abstractmethod
    def _is_asked_to_end(self) -> bool:
        """What the row says of it now."""

    def cancelled(self) -> bool:
        """Whether to stop what is being done: cancelled by somebody, or the lease is lost. Cheap enough to poll."""
        try:
            self.lease.check()
        except LeaseLost:
            return True
        now = time.monotonic()
        if not self._cancelled and now - self._asked > ASK_EVERY:
            self._asked = now
            self._cancelled = self._is_asked_to_end()
        return self._cancelled

    def check(self) -> None:
        """Raise LeaseLost or Cancelled if this worker is to stop here."""
        self._asked = 0.0
        self.heed()

    def heed(self) -> None:
        """The same as far as `cancelled` knows: for what looks many times a second."""
        cancelled = self.cancelled()
        self.lease.check()
        if cancelled:
            raise Cancelled

    def patiently(self, action: Callable[[], T], what: str) -> T:
        """`action()`, tried again while a component does not answer; raises its Unavailable after PATIENCE."""
        until = time.monotonic() + PATIENCE
        told = False
        while True:
            self.heed()  # what was asked is known to ASK_EVERY; the stages and the switch itself look at the row
            try:
                return action()
            except Unavailable as error:
                if time.monotonic() > until:
                    raise
                if not told:
                    self.log.line(f"Waiting for {what}: {error.message}", level="warn")
                    told = True
                time.sleep(1)
