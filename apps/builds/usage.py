"""Build minutes: clock time from the start of a clone to the end of its push, failures included, waiting not."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.accounts.models import Team
from apps.builds.models import Build, BuildRun
from apps.core.errors import UserError


@contextmanager
def counted(build: Build, *, builder: str) -> Iterator[None]:
    """Count what happens inside as one try of `build`; the time that passes, whatever the clock is set to."""
    began = time.monotonic()
    pod = build.revision.pod
    run = BuildRun.objects.create(
        team_id=pod.team_id, pod=pod, pod_name=pod.name, build=build, app=build.app, builder=builder,
        started_at=timezone.now(),
    )  # fmt: skip
    outcome = "stopped"
    try:
        yield
        outcome = "built"
    except UserError:
        outcome = "failed"
        raise
    finally:
        ended = run.started_at + datetime.timedelta(seconds=time.monotonic() - began)
        mine = BuildRun.objects.filter(pk=run.pk)
        mine.filter(finished_at=None).update(outcome=outcome, finished_at=ended)
        # Whoever took it over ended it by a clock that may have been set in between.
        mine.filter(Q(finished_at__gt=ended) | Q(finished_at__lt=run.started_at)).update(finished_at=ended)


def end_lost(build: Build) -> None:
    """End the tries of `build` whose process was killed; for one that nobody works on."""
    BuildRun.objects.filter(build=build, finished_at=None).update(outcome="stopped", finished_at=timezone.now())


def month(at: datetime.datetime) -> datetime.datetime:
    """The start of the calendar month, in UTC."""
    return at.astimezone(datetime.UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def runs(team: Team, at: datetime.datetime) -> QuerySet[BuildRun]:
    """What began in the month of `at`."""
    start = month(at)
    following = month(start + datetime.timedelta(days=31))
    return BuildRun.objects.filter(team=team, started_at__gte=start, started_at__lt=following)


def used(team: Team, at: datetime.datetime | None = None) -> datetime.timedelta:
    """What `team` has built for in the month of `at`, what is being built included."""
    now = timezone.now()
    lasted = ExpressionWrapper(Coalesce(F("finished_at"), Value(now)) - F("started_at"), output_field=DurationField())
    total: datetime.timedelta | None = runs(team, at or now).aggregate(total=Sum(lasted))["total"]
    return total or datetime.timedelta()


def exhausted(team: Team) -> bool:
    """Whether builds of `team` have to wait for the next month."""
    limits = team.limits
    if limits.minutes is None or limits.overage != "queue":
        return False
    return used(team) >= datetime.timedelta(minutes=limits.minutes)
