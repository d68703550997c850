"""The databases of a child that was made with what the parent's hold: filled from the parent's newest backups.

Each is filled once, while the child is deployed for the first time: when its server runs, and before any app is
started. It is a restore like any other, beside what is there and then in its place, so that a database is empty or full
and nothing between; while one cannot be filled, the child does not go live. Which backup it is, is decided then.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator

from django.db.models import F

from apps.backups import actions, restoring, wake
from apps.backups.models import Purpose, Restore, State
from apps.core.errors import Detail, UserError
from apps.deployments.attended import Cancelled
from apps.deployments.models import Deployment
from apps.deployments.recorder import Recorder
from apps.deployments.release import Release
from apps.pods import kinds
from apps.pods.models import Pod, Resource, Snapshot

SEEDED = ("PostgresDB", "MariaDB")  # a Valkey is restored by stopping it, and is a cache as a rule
LOOK_EVERY = 0.5  # seconds between two looks at a restore that another worker does, or that waits for room
LONGEST = datetime.timedelta(hours=6)  # more than other deployments may take, for each database


def fill(recorder: Recorder, release: Release) -> None:
    """Fill what is to be filled of a child that was never live. Raises UserError("seeding_failed")."""
    rows = Pod.objects.select_related("parent").filter(seeded=True, live=None, parent__isnull=False)
    pod = rows.filter(pk=recorder.deployment.pod_id).first()
    if pod is None:
        return
    for name, resource in _databases(release.snapshot):
        recorder.log.section(f"Fill · {name}")
        if why := _never(resource):
            recorder.write(f"{name} begins empty: {why}")
        else:
            _fill(recorder, pod, resource)


def unfilled(parent: Pod) -> list[Detail]:
    """The databases that would begin empty in a child of what is live in `parent`, each with why."""
    found = []
    for name, resource in _databases(parent.live.snapshot() if parent.live else {}):
        why = _never(resource)
        if not why and actions.newest(parent, name, resource.kind) is None:
            why = "there is no backup of it. Make one before the first deployment."
        if why:
            found.append(Detail(name, f"begins empty: {why}"))
    return found


def _databases(snapshot: Snapshot) -> Iterator[tuple[str, Resource]]:
    return ((name, it) for name, it in sorted(snapshot.items()) if kinds.get(it.kind).server)


def _never(resource: Resource) -> str:
    """Why there can be no backup to fill it from."""
    return "" if resource.kind in SEEDED else "one of this kind is not filled."


def _fill(recorder: Recorder, pod: Pod, resource: Resource) -> None:
    name = resource.name
    left = Restore.objects.filter(pod=pod, target=name, purpose=Purpose.SEED).order_by("-id").first()
    if left is not None:
        _await(recorder, left)  # of a worker that died, maybe
        if left.state == State.COMPLETED:
            recorder.write(f"{name} was filled already.")
            return
    row = actions.seed(pod=pod, name=name, kind=resource.kind, by=recorder.deployment.actor)
    if row is None:
        words = f"{name} begins empty: there is no backup of the one of {pod.parent}."
        recorder.log.line(words, level="warn")
        wake.tell(pod.pk, name, words, level="warn")
        return
    recorder.write(f"Filling {name} from the backup {row.backup.file} of {pod.parent}")
    later = Deployment.objects.filter(pk=recorder.deployment.pk, **recorder.lease.where)
    later.update(deadline=F("deadline") + LONGEST)
    _await(recorder, row)
    if row.state != State.COMPLETED:
        raise UserError(
            "seeding_failed", f"{name} could not be filled from the backup {row.backup.file}: {row.error}",
            f"Make another backup of {name} in {pod.parent} and redeploy; or make the pod anew with empty databases.",
        )  # fmt: skip
    count = sum(high for _, high in row.rows.values())
    recorder.write(f"{name} is filled: {count} rows in {len(row.rows)} tables.")


def _await(recorder: Recorder, row: Restore) -> None:
    """Do it, or wait for who does. One that waits for room goes with its deployment."""
    try:
        while row.is_open:
            recorder.check()
            restoring.run(row.pk)
            row.refresh_from_db()
            if row.is_open:
                time.sleep(LOOK_EVERY)
    except Cancelled:
        restoring.fail(row, "The deployment was cancelled.", where={"state": State.PENDING})
        raise
