"""What is done about a workload that went down by itself: started again in place, begun elsewhere, or waited for.

The one place for the rules and their numbers. The engines without recovery of their own (process, docker) and the
reconciler follow it; a Nomad job states it. Pure: the caller brings the clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

# In place. A clean exit counts as a failure, since a workload runs until it is stopped.
ATTEMPTS = 10
WINDOW = 300.0  # seconds
DELAY = 20.0  # seconds

# On another host, or anew where there is only one: for one that could not even be started. Without a limit.
FIRST_DELAY = 30.0  # seconds; doubled each time
LONGEST_DELAY = 3600.0
STABLE = LONGEST_DELAY  # seconds after which what was started is no longer the failure before it

# A host, or its engine, that does not answer.
LOST_AFTER = 900.0  # seconds
ENGINE = "the engine"  # who does not answer, where no machine of it is known
RETURNED = "keep_replacement"  # what becomes of two after the host is back, in Nomad's word: the original is stopped


@dataclass(slots=True)
class RestartPolicy:
    """In place: 10 attempts in any 5-minute window, 20 s apart, for ever.

    `attempts` are the times (seconds of any steady clock) of the restarts within the last window.
    """

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


def delay_after(failures: int) -> float:
    """Seconds until a start is tried again after `failures` (1 or more) in a row: 30, 60, 120, … at most 3600."""
    doublings = min(failures - 1, 16)  # far beyond the cap: no number grows without end
    return min(LONGEST_DELAY, FIRST_DELAY * float(1 << doublings))


def failures_after(failures: int, ran: float) -> int:
    """How many in a row there have been with the one after it had run for `ran` seconds (0: it never started)."""
    return 1 if ran >= STABLE else failures + 1


class Lost(StrEnum):
    """What to do about a workload on a host that does not answer."""

    WAIT = "wait"  # it may answer in a moment: its state is unknown and nothing is done
    REPLACE = "replace"  # start another elsewhere at once; if the first comes back, it is stopped
    KEEP = "keep"  # it may still be at its work, which must not be done twice: wait for its host
    STUCK = "stuck"  # it would be replaced, and there is no other host


def replaced(*, listens: bool) -> bool:
    """Whether one that is lost is started elsewhere: what listens (web, mcp, databases) is, a worker is not."""
    return listens


def lost(silent: float, *, listens: bool, others: int) -> Lost:
    """The rule for a workload whose host has not answered for `silent` seconds; `others`: hosts that answer."""
    if silent < LOST_AFTER:
        return Lost.WAIT
    if not replaced(listens=listens):
        return Lost.KEEP
    return Lost.REPLACE if others else Lost.STUCK


def lost_words(silent: float, *, listens: bool, others: int, who: str = ENGINE) -> str:
    """The same in words for people: how long nothing is known, and what becomes of it. `who` does not answer."""
    match lost(silent, listens=listens, others=others):
        case Lost.WAIT:
            return unknown_words(silent, who)
        case Lost.REPLACE:
            return f"lost: its host has not answered for {age(silent)}; started on another"
        case Lost.KEEP:
            return (
                f"lost: {who} has not answered for {age(silent)}. A worker is not started elsewhere, since it"
                " may still be at its work: bring its host back"
            )
        case Lost.STUCK:
            return (
                f"lost: {who} has not answered for {age(silent)}, and there is no other host to start it on."
                " Check that the machine is up and that the engine runs there"
            )


def unknown_words(silent: float, who: str = ENGINE) -> str:
    return f"unknown for {age(silent)}: {who} does not answer"


def age(seconds: float) -> str:
    """`12 s`, `3 min`, `2 h`: whole ones that have passed."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h"
