"""What is due becomes a run, what was missed is said, what waits gets a worker: every few seconds."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.core.errors import PlatformError
from apps.core.schedules import Schedule
from apps.core.states import move
from apps.deployments import wake
from apps.deployments.duties import duty
from apps.deployments.events import changed
from apps.deployments.jobs import history
from apps.deployments.jobs.follow import spec_of
from apps.deployments.jobs.models import OPEN_RUNS, RUN_MOVES, Job, JobRun, RunTrigger
from apps.deployments.models import AppControl, Duty
from apps.pods.kinds.job import Job as Spec

log = structlog.get_logger(__name__)
BEGINNING = "jobs.beginning"
LEAST = datetime.timedelta(seconds=60)  # of lateness that is no miss
SHARE = 10  # of the time until the next one: the part it may be late
ASKED = datetime.timedelta(minutes=10)  # in which a run begins that somebody asked for, or that is made up for
SPARE = 20  # woken beyond the room there is: some wait for a run of their own job to end
OUTAGE = "The platform was not running when it was due."
BUSY = "No room to run it in time: the jobs before it took too long."
STOPPED = "The app is stopped."
INTERRUPTED = "Interrupted: what ran it was ended. It is not run again by itself."


def tend() -> None:
    """One pass; nothing while another process is at it, or while nothing is due or under way."""
    due = Job.objects.filter(next_at__lte=timezone.now(), pod__deleting_at=None)
    if not due.exists() and not JobRun.objects.filter(state__in=OPEN_RUNS).exists():
        return
    with duty("jobs") as lease:
        if lease is None:
            return
        for row in due.select_related("pod__live"):
            lease.check()
            try:
                plan(row, timezone.now())
            except PlatformError as error:
                log.info("job_waits", job=row.pk, error=str(error))
        _interrupted()
        wake_waiting()


def plan_sooner() -> None:
    """Have those due that were planned before the clock was set back: they would wait until it has come there again."""
    now = timezone.now()
    for row in Job.objects.filter(next_at__gt=now, pod__deleting_at=None):
        sooner = Schedule(row.schedule, row.zone).after(now)
        if sooner is not None and row.next_at is not None and sooner < row.next_at:
            Job.objects.filter(pk=row.pk, next_at=row.next_at).update(next_at=sooner)


def plan(row: Job, now: datetime.datetime) -> None:
    """Deal with everything `row` was due for until `now`. Of two that try at once, one does it."""
    spec, first = spec_of(row), row.next_at
    if spec is None or first is None or first > now:
        return
    due = spec.due
    # `first` itself is due: the search begins just before it.
    last = due.last(after=first - datetime.timedelta(microseconds=1), until=now) or first
    following = due.after(now)
    with transaction.atomic():
        if not Job.objects.filter(pk=row.pk, next_at=first).update(next_at=following):
            return
        _record(row, spec, first=first, last=last, now=now)
    history.trim(row.pod_id, row.app, row.name)
    changed(row.pod_id)


def _record(row: Job, spec: Spec, *, first: datetime.datetime, last: datetime.datetime, now: datetime.datetime) -> None:
    """A run for the last time it was due, if that is not long ago; one row for all that were missed.

    Of an app that is stopped nothing is run: one row says how often.
    """
    if stopped(row.pod_id, row.app):
        _left_out(row, first, spec.due.count(after=first - datetime.timedelta(microseconds=1), before=last) + 1)
        return
    by = last + grace(spec, last)
    late = now > by
    earlier = spec.due.count(after=first - datetime.timedelta(microseconds=1), before=last)
    runs = not late or spec.catchUp
    if missed := earlier + (0 if runs else 1):
        history.tell(_insert(row, first, state="missed", count=missed, finished_at=now, reason=OUTAGE))
    if not runs:
        return
    if late:
        _waiting(row, spec, last, trigger=RunTrigger.CATCH_UP, begin_by=now + ASKED)
    else:
        _waiting(row, spec, last, trigger=RunTrigger.SCHEDULE, begin_by=by)


def stopped(pod_id: str, app: str) -> bool:
    """Whether somebody stopped the app: its jobs begin only when somebody asks for it."""
    return AppControl.objects.filter(pod=pod_id, app=app, stopped_at__isnull=False).exists()


def _left_out(row: Job, moment: datetime.datetime, count: int) -> None:
    newest = JobRun.objects.filter(pod=row.pod_id, app=row.app, job=row.name).order_by("-id").first()
    if newest is not None and newest.state == "skipped" and newest.reason == STOPPED:
        JobRun.objects.filter(pk=newest.pk).update(count=F("count") + count, finished_at=timezone.now())
        return
    _insert(row, moment, state="skipped", count=count, finished_at=timezone.now(), reason=STOPPED)


def grace(spec: Spec, moment: datetime.datetime) -> datetime.timedelta:
    """How late a run due at `moment` may begin: a minute, or a tenth of the time until the next."""
    following = spec.due.after(moment)
    return max(LEAST, (following - moment) / SHARE) if following else LEAST


def _waiting(
    row: Job, spec: Spec, moment: datetime.datetime, *, trigger: RunTrigger, begin_by: datetime.datetime
) -> None:
    others = JobRun.objects.filter(pod=row.pod_id, app=row.app, job=row.name, state__in=OPEN_RUNS)
    if spec.overlap == "skip" and others.exists():
        words = "The run before it was not over."
        _insert(row, moment, trigger=trigger, state="skipped", finished_at=timezone.now(), reason=words)
        return
    if spec.overlap == "replace":
        for other in others:
            ask_to_end(other, "Replaced by the next run.")
    _insert(row, moment, trigger=trigger, begin_by=begin_by)


def _insert(row: Job, moment: datetime.datetime, **fields: object) -> JobRun:
    """The row for `moment`, unless there is one: a job may have been put back to a time it was dealt with."""
    run, _ = JobRun.objects.get_or_create(
        pod_id=row.pod_id, app=row.app, job=row.name, scheduled_for=moment,
        defaults={"revision_id": row.pod.live_id, **fields},
    )  # fmt: skip
    return run


def ask_to_end(run: JobRun, why: str) -> None:
    """End one that waits, have one that runs ended."""
    now = timezone.now()
    if move(run, "cancelled", table=RUN_MOVES, where={"state": "waiting"}, finished_at=now, reason=why):
        return
    JobRun.objects.filter(pk=run.pk, state="running", cancel_at=None).update(cancel_at=now, reason=why)


def _interrupted() -> None:
    """Record the end of runs whose worker is gone. They are not begun again: nobody knows how far they came."""
    for run in JobRun.objects.filter(state="running"):
        if not run.held and move(
            run, "failed", table=RUN_MOVES, where={"fence": run.fence}, fence=run.fence + 1, leased_until=None,
            finished_at=timezone.now(), reason=INTERRUPTED,
        ):  # fmt: skip
            log.warning("job_interrupted", run=run.pk, app=run.app, job=run.job, pod=run.pod_id)
            history.ended(run)


def wake_waiting() -> None:
    """Have workers take as many runs as there is room for, the oldest first; those too late are missed."""
    now = timezone.now()
    late = JobRun.objects.filter(state="waiting", begin_by__lt=now)
    for run in late:
        if move(run, "missed", table=RUN_MOVES, where={"state": "waiting"}, finished_at=now, reason=BUSY):
            history.ended(run)
    if free := room():
        for run in JobRun.objects.filter(state="waiting").order_by("id")[: free + SPARE]:
            wake.wake(wake.RUN_JOB, run.pk)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Within a transaction: nobody else begins a run until it ends."""
    Duty.objects.get_or_create(name=BEGINNING)
    Duty.objects.select_for_update().get(name=BEGINNING)
    yield


def room() -> int:
    """How many more runs may begin now."""
    return max(0, settings.BRAINPOD.jobs - JobRun.objects.filter(state="running").count())
