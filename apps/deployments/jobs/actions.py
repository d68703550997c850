"""What people do with jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from apps.audit import trail
from apps.core.errors import Conflict, NotFound
from apps.core.states import move
from apps.deployments import wake
from apps.deployments.events import changed
from apps.deployments.jobs.follow import spec_of
from apps.deployments.jobs.models import OPEN_RUNS, RUN_MOVES, Job, JobRun, RunTrigger
from apps.deployments.jobs.tend import ASKED, ask_to_end
from apps.pods.models import Pod

if TYPE_CHECKING:
    from apps.accounts.models import User


@transaction.atomic
def run_now(*, pod: Pod, app: str, job: str, by: User | None) -> JobRun:
    """Run the live revision's job at once, whatever its schedule says and though it is switched off.

    Raises NotFound, Conflict("pod_deleting"), and Conflict("job_running") when runs of it may not overlap.
    """
    row = Job.objects.select_for_update().filter(pod=pod, app=app, name=job).first()
    spec = spec_of(row) if row else None
    if row is None or spec is None:
        raise NotFound(f"job {job} in what is live of {app}")
    if pod.deleting_at:
        raise Conflict("pod_deleting", f"{pod.name} is being deleted.", "Nothing in it can be run any more.")
    others = list(JobRun.objects.filter(pod=pod, app=app, job=job, state__in=OPEN_RUNS))
    if others and spec.overlap == "skip":
        raise Conflict("job_running", f"{job} is running already.", "Wait until it is over, or cancel that run.")
    if spec.overlap == "replace":
        for other in others:
            ask_to_end(other, "Replaced by the next run.")
    run = JobRun.objects.create(
        pod=pod, revision_id=pod.live_id, app=app, job=job, trigger=RunTrigger.MANUAL, actor=by,
        begin_by=timezone.now() + ASKED,
    )  # fmt: skip
    trail.note("job.run", by=by, about=run, name=pod.name, part=f"{app}/{job}")
    changed(pod.pk)
    wake.wake(wake.RUN_JOB, run.pk)
    return run


@transaction.atomic
def cancel_run(*, run: JobRun, by: User | None) -> None:
    """End a run that waits, have one under way ended within seconds. Raises Conflict("job_run_over")."""
    now = timezone.now()
    who = {"cancel_at": now, "cancelled_by": by}
    waiting = move(run, "cancelled", table=RUN_MOVES, where={"state": "waiting"}, finished_at=now, **who)
    if not waiting and not JobRun.objects.filter(pk=run.pk, state="running").update(**who):
        raise Conflict("job_run_over", "This run is over already.", "Reload the page to see how it ended.")
    trail.note("job.cancel", by=by, about=run, name=run.pod.name, part=f"{run.app}/{run.job}")
    changed(run.pod_id)
