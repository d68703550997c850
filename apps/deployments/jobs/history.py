"""What is kept of runs that are over."""

from __future__ import annotations

from apps.deployments.events import changed
from apps.deployments.jobs.follow import jobs_of
from apps.deployments.jobs.models import OPEN_RUNS, JobRun
from apps.deployments.models import AppEvent
from apps.logs.retention import delete_stream
from apps.pods.models import Pod

WITHOUT = 20  # runs kept of a job that is not live any more


def ended(run: JobRun) -> None:
    """Tell that `run` is over, in the app's events if it went wrong; forget what is beyond the runs its job keeps."""
    if run.state in ("failed", "missed"):
        tell(run)
    trim(run.pod_id, run.app, run.job)
    changed(run.pod_id)


def tell(run: JobRun) -> None:
    words = f"{run.job} failed: {run.reason}" if run.state == "failed" else f"{run.job} was missed: {run.reason}"
    level = "error" if run.state == "failed" else "warn"
    AppEvent.objects.create(pod_id=run.pod_id, app=run.app, kind="job", level=level, words=words[:300])


def trim(pod_id: str, app: str, job: str) -> None:
    """Forget the oldest runs with their logs, and apart from them the oldest notes of what never began."""
    live = Pod.objects.select_related("live").get(pk=pod_id).live
    spec = jobs_of(live.snapshot()).get((app, job)) if live else None
    over = JobRun.objects.filter(pod=pod_id, app=app, job=job).exclude(state__in=OPEN_RUNS).order_by("-id")
    for rows in (over.filter(started_at__isnull=False), over.filter(started_at=None)):
        for old in rows[spec.keep if spec else WITHOUT :]:
            delete_stream(old.stream)
            old.delete()


def forget(pod_id: str) -> bool:
    """Forget the logs of the runs of a pod that is deleted; False while one is still being ended."""
    runs = list(JobRun.objects.filter(pod=pod_id))
    if any(run.is_open and run.held for run in runs):
        return False
    for run in runs:
        delete_stream(run.stream)
    return True
