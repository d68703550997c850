"""The rows of jobs, brought in line with what is live."""

from __future__ import annotations

from django.utils import timezone

from apps.deployments.jobs.models import Job
from apps.pods.contents import apps_of
from apps.pods.kinds.job import Job as Spec
from apps.pods.models import Revision, Snapshot


def follow(pod_id: str, revision: Revision | None) -> None:
    """Have the jobs of `revision` in force, in the transaction that makes it live.

    One whose schedule stays keeps the moment it is due next: a deployment neither repeats a run nor leaves one out.
    """
    wanted = {} if revision is None else jobs_of(revision.snapshot())
    there = {(row.app, row.name): row for row in Job.objects.filter(pod=pod_id)}
    now = timezone.now()
    for key in there.keys() - wanted.keys():
        there[key].delete()
    for (app, name), spec in wanted.items():
        row = there.get((app, name)) or Job(pod_id=pod_id, app=app, name=name)
        same = (row.schedule, row.zone) == (spec.schedule, spec.timeZone) and (row.next_at is not None) == spec.enabled
        if not same:
            row.schedule, row.zone = spec.schedule, spec.timeZone
            row.next_at = spec.due.after(now) if spec.enabled else None
            row.save()


def jobs_of(snapshot: Snapshot) -> dict[tuple[str, str], Spec]:
    """Every job by its app and its name."""
    return {(app, job.name): job for app, spec in apps_of(snapshot).items() for job in spec.jobs}


def spec_of(row: Job) -> Spec | None:
    """What the live revision says of the job; None when it has none of that name (any more)."""
    live = row.pod.live
    return jobs_of(live.snapshot()).get((row.app, row.name)) if live else None
