"""When a workload that exited is started again: 10 attempts in any 5-minute window, 20 s apart, for ever.

Pure: the caller brings the clock. A clean exit counts as a failure, since a workload runs until it is stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ATTEMPTS = 10
WINDOW = 300.0  # seconds
DELAY = 20.0  # seconds


@dataclass(slots=True)
class RestartPolicy:
    """`attempts` are the times (seconds of any steady clock) of the restarts within the last window."""

    attempts: list[float] = field(default_factory=list)
    limit: int = ATTEMPTS
    window: float = WINDOW
    delay: float = DELAY

    def next_start(self, now: float) -> float:
        """When to start again after an exit at `now`: never earlier than `now` + delay."""
        self._forget(now)
        earliest = now + self.delay
        if len(self.attempts) < self.limit:
            return earliest
        return max(earliest, self.attempts[-self.limit] + self.window)

    def started(self, now: float) -> None:
        """Record the restart made at `now`."""
        self.attempts.append(now)
        self._forget(now)

    def reason(self, now: float, at: float) -> str:
        """In words, for an exit after which the next start is at `at`."""
        self._forget(now)
        wait = max(0, round(at - now))
        used = min(len(self.attempts), self.limit)
        if used == self.limit:
            return f"restarted {used} of {self.limit} in this window, waiting for the next window in {wait} s"
        return f"restarted {used} of {self.limit} in this window, next try in {wait} s"

    def _forget(self, now: float) -> None:
        self.attempts = [at for at in self.attempts if now - at < self.window][-self.limit :]
