"""One run of a job, from its lease to its last word."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace

import structlog
from django.db import transaction
from django.utils import timezone

from apps.core.errors import PlatformError, UserError
from apps.core.failpoints import failpoint
from apps.core.leases import Lease, LeaseLost, acquire, kept
from apps.core.masking import Mask
from apps.core.states import move
from apps.deployments import disk_locks, launch
from apps.deployments.attended import Attended, Cancelled
from apps.deployments.events import changed
from apps.deployments.hidden import hidden
from apps.deployments.jobs import history, tend
from apps.deployments.jobs.follow import jobs_of
from apps.deployments.jobs.models import RUN_MOVES, Job, JobRun, RunTrigger
from apps.deployments.release import Release
from apps.engines.base import Finished, RunSpec
from apps.logs.writer import LogWriter
from apps.pods.kinds.job import Job as Spec
from apps.pods.models import Pod

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Worker(Attended):
    """What this process needs to do `run`: every write carries its fence."""

    run: JobRun

    def _is_asked_to_end(self) -> bool:
        row = JobRun.objects.filter(pk=self.run.pk).values_list("cancel_at", "pod__deleting_at").first()
        return row is None or any(row)


def run(run_id: str) -> None:
    """Do a run that waits, if nobody else does and there is room. Safe to call at any time."""
    row = JobRun.objects.select_related("pod").filter(pk=run_id, state="waiting", pod__deleting_at=None).first()
    if row is None or not tend.room():
        return
    lease = acquire(row, state="waiting")
    if lease is None:
        return
    with kept(lease):
        spec = _begin(row, lease)
        if spec is not None:
            failpoint("job.begun", row.pod_id)
            _work(row, spec, lease)
    tend.wake_waiting()


def _begin(row: JobRun, lease: Lease) -> Spec | None:
    """Make the run the one under way, by what is live now; None if it is not to begin (now)."""
    with transaction.atomic(), tend.one_at_a_time():
        job = Job.objects.select_for_update().filter(pod=row.pod_id, app=row.app, name=row.job).first()
        pod = Pod.objects.select_related("live").get(pk=row.pod_id)
        spec = jobs_of(pod.live.snapshot()).get((row.app, row.job)) if pod.live else None
        now = timezone.now()
        if job is None or spec is None:
            reason = "What is live has no such job any more."
            move(row, "cancelled", table=RUN_MOVES, where=lease.where, finished_at=now, reason=reason)
            return None
        if row.trigger != RunTrigger.MANUAL and tend.stopped(row.pod_id, row.app):
            move(row, "skipped", table=RUN_MOVES, where=lease.where, finished_at=now, reason=tend.STOPPED)
            return None
        others = JobRun.objects.filter(pod=row.pod_id, app=row.app, job=row.job, state="running")
        if not tend.room() or (spec.overlap != "allow" and others.exists()):
            return None  # it goes on waiting: `tend` decided what becomes of it
        if row.cancel_at or not move(
            row,
            "running",
            table=RUN_MOVES,
            where={**lease.where, "state": "waiting"},
            started_at=now,
            revision=pod.live,
        ):
            return None
    changed(row.pod_id)
    return spec


def _work(row: JobRun, spec: Spec, lease: Lease) -> None:
    """Run the command and record how it ended. Writes nothing once the lease is lost."""
    try:
        # Until the secrets are known nothing is written that could hold one.
        with LogWriter.open(row.stream, mask=Mask([])) as writer:
            worker = Worker(run=row, lease=lease, log=writer)
            try:
                state, reason, finished = _told(spec, _command(worker, spec))
            except Cancelled:
                state, reason, finished = "cancelled", "", None
            except UserError as error:
                state, reason, finished = "failed", str(error), None
            except PlatformError as error:
                log.warning("job_failed", run=row.pk, error_id=error.id, error=error.message)
                state, reason, finished = "failed", f"{error.message} ({error.id})", None
            _end(worker, state, reason, finished)
    except LeaseLost:
        log.info("lease_lost", run=row.pk)


def _command(worker: Worker, spec: Spec) -> Finished:
    """Everything before the command is tried again while something is away; the command itself is run once."""
    row, writer = worker.run, worker.log
    assert row.revision is not None
    release = Release.of(row.revision)
    writer.mask = worker.patiently(lambda: mask_of(row), "the secret store")
    writer.section(f"{row.job} · {row.app}")
    engine = release.runner
    worker.patiently(engine.check, "the engine")
    image = launch.manifest(release, row.app).image
    if image:
        worker.patiently(lambda: engine.fetch(image, on_line=writer.line, cancelled=worker.cancelled), "the engine")
    whole = worker.patiently(lambda: _spec(release, row, spec), "the secret store")
    with ExitStack() as held:
        sharing = disk_locks.writing(row.pod_id, release.disks(row.app))
        worker.patiently(lambda: held.enter_context(sharing), "its disk")
        worker.check()
        writer.line(f"$ {spec.command}")
        failpoint("job.starting", row.pod_id)
        return engine.run_once(whole, on_line=writer.line, timeout=float(spec.timeout), cancelled=worker.cancelled)


def _spec(release: Release, row: JobRun, spec: Spec) -> RunSpec:
    whole = launch.run_spec(release, row.app, id=row.pk, command=("sh", "-c", spec.command))
    return replace(whole, env={**whole.env, "BRAINPOD_JOB": row.job, "BRAINPOD_JOB_RUN": row.pk})


def mask_of(row: JobRun) -> Mask:
    """The secret values the run is given. Raises Unavailable with the secret store."""
    if row.revision is None:
        return Mask([])
    return Mask(hidden(row.revision, row.app))


def _told(spec: Spec, finished: Finished) -> tuple[str, str, Finished]:
    """(state, why, what is known of the end)."""
    if finished.killed == "cancelled":
        return "cancelled", "", finished
    if finished.killed == "timeout":
        return "failed", f"It took longer than its {spec.timeout} s and was ended.", finished
    if finished.killed == "memory":
        return "failed", "It needed more memory than the app's instance has: choose a larger one.", finished
    if finished.exit_code:
        return "failed", f"It ended with exit code {finished.exit_code}.", finished
    return "succeeded", "", finished


def _end(worker: Worker, state: str, reason: str, finished: Finished | None) -> None:
    row = worker.run
    worker.lease.check()
    row.refresh_from_db()
    reason = worker.log.mask(reason or row.reason)[:300]
    failpoint("job.ending", row.pod_id)
    won = move(
        row, state, table=RUN_MOVES, where=worker.lease.where, finished_at=timezone.now(), reason=reason,
        exit_code=finished.exit_code if finished and not finished.killed else None,
        peak_mb=finished.max_memory_mb if finished else None,
    )  # fmt: skip
    if not won:
        raise LeaseLost
    if reason:
        worker.log.line(reason, level="error" if state == "failed" else "warn")
    worker.log.ended(state, title="Run", seconds=round(row.seconds or 0.0, 1), note=reason)
    if state == "failed":
        log.warning("job_run_failed", run=row.pk, app=row.app, job=row.job, pod=row.pod_id)
    history.ended(row)
