"""When a job is due: cron lines in a time zone, as moments in UTC. Pure.

A line that runs every hour keeps to the time that passes, whatever the clock does. Any other keeps to the clock on
the wall: what the clock skips (02:30 in spring) is due once, right after; in an hour that comes twice it is due the
first time. cronsim reads the lines and finds the next match; it is told of no zone, so that the rule is this one.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from apps.core.errors import Detail, Invalid

NAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
MOST = 1000  # that are counted of what was missed
_EXAMPLE = "such as 0 3 * * * for every day at three, or @hourly, @daily, @weekly, @monthly."
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`line`: five fields of cron, or one of NAMES. `zone`: of IANA. Both are checked by `check`."""

    line: str
    zone: str = "UTC"

    def check(self) -> None:
        """Raise Invalid naming `schedule` or `timeZone`."""
        try:
            _zone(self.zone)
        except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError of its own
            raise Invalid([Detail("timeZone", "must be a time zone such as Europe/Vienna, or UTC.")]) from None
        except KeyError:
            raise Invalid([Detail("timeZone", "is no time zone: write it as Europe/Vienna, or UTC.")]) from None
        fields = self.fields.split()
        if len(fields) != 5:
            raise Invalid([Detail("schedule", f"must have five fields (minute hour day month weekday), {_EXAMPLE}")])
        try:
            found = self.after(datetime(2000, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            raise Invalid([Detail("schedule", f"is no schedule: {_said(error)}. It is {_EXAMPLE}")]) from None
        if found is None:
            raise Invalid([Detail("schedule", "never comes: no day of any year is like this.")])

    @property
    def fields(self) -> str:
        return NAMES.get(self.line.strip().lower(), self.line.strip())

    @property
    def words(self) -> str:
        """`at 03:00 every day, Europe/Vienna`."""
        said: str = CronSim(self.fields, datetime(2000, 1, 1)).explain()
        return f"{said[:1].lower()}{said[1:]}, {self.zone}"

    def after(self, moment: datetime) -> datetime | None:
        """The first time it is due after `moment`; None when that is not within fifty years."""
        return next(self.moments(moment), None)

    def moments(self, start: datetime) -> Iterator[datetime]:
        """Every time it is due after `start`, each later than the one before."""
        last = start
        for found in self._found(start):
            if found > last:
                last = found
                yield found

    def last(self, *, after: datetime, until: datetime) -> datetime | None:
        """The last time it was due after `after`, `until` included."""
        back = timedelta(hours=1)
        while True:
            start = max(after, until - back)
            found = list(itertools.takewhile(lambda moment: moment <= until, self.moments(start)))
            if found or start == after:
                return found[-1] if found else None
            back *= 8

    def count(self, *, after: datetime, before: datetime) -> int:
        """How often it was due between the two, at most MOST."""
        due = itertools.takewhile(lambda moment: moment < before, self.moments(after))
        return sum(1 for _ in itertools.islice(due, MOST))

    def _found(self, start: datetime) -> Iterator[datetime]:
        zone = _zone(self.zone)
        here = start.astimezone(zone)
        if len(CronSim(self.fields, datetime(2000, 1, 1)).hours) == 24:
            return (found.astimezone(UTC) for found in CronSim(self.fields, here))
        return (_on_the_wall(found, zone) for found in CronSim(self.fields, here.replace(tzinfo=None, fold=0)))


def _on_the_wall(found: datetime, zone: ZoneInfo) -> datetime:
    """The first moment at which the clock says `found`, or the first after a gap that hides it."""
    while True:
        moment = found.replace(tzinfo=zone).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None, fold=0) == found:
            return moment
        found += _MINUTE


@functools.lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _said(error: CronSimError) -> str:
    """cronsim says which field is wrong: Bad day-of-month."""
    words = str(error)
    return f"the {words[4:]} is wrong" if words.startswith("Bad ") else words.lower()
