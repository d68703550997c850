"""Every instance of a release started beside what serves, and how that is undone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import groupby

import structlog
from django.db.models import Q

from apps import engines
from apps.builds import pipeline as builds
from apps.core.errors import PlatformError, Unavailable
from apps.core.failpoints import failpoint
from apps.deployments import launch, prestart
from apps.deployments.models import Deployment, Workload
from apps.deployments.recorder import Recorder
from apps.deployments.release import Release, Wanted, running
from apps.engines.base import State
from apps.pods import moving

log = structlog.get_logger(__name__)
RESTING = {
    "stopped": "Stopped by hand: it stays stopped. Start it from its page.",
    "asleep": "Asleep and unchanged: the next request starts it.",
}
UNDO_GRACE = 5.0  # seconds between TERM and KILL for something that never had traffic


def launch_all(recorder: Recorder, release: Release, names: Collection[str]) -> list[Workload]:
    """Have every wanted instance of `names` running; what runs already with the same everything is kept."""
    pod = recorder.deployment.pod
    for app in names:
        if not release.runs(app):
            by_clock = release.snapshot[app].spec.get("type") == "job"
            launch_skipped = "Its jobs run by the clock." if by_clock else "A static site has no process."
            recorder.skip("launch", app=app, why=launch_skipped)
            health = "Nothing of it answers." if by_clock else "The files are served as soon as traffic moves."
            recorder.skip("health", app=app, why=health)
        elif rests := release.rests(app):
            recorder.skip("launch", app=app, why=RESTING[rests])
            recorder.skip("health", app=app, why="It does not run.")
    found = running(pod, release.engine)
    workloads = []
    for app, group in groupby((one for one in release.wanted() if one.app in names), key=lambda w: w.app):
        wanted = list(group)
        kept = [found.get((w.app, w.replica, w.fingerprint)) for w in wanted]
        if all(w is not None and w.serving and not w.yielded_to_id for w in kept):
            recorder.skip("launch", app=app, why="Unchanged: it keeps running.")
            workloads += [w for w in kept if w is not None]
            continue
        with recorder.stage("launch", app) as note:
            recorder.patiently(lambda app=app: launch.fetch(release, app, recorder), "the engine")  # type: ignore[misc]
            begun = [w for w in kept if w is not None and w.deployment_id == recorder.deployment.pk]
            if not begun:
                _make_room(recorder, release, wanted[0])
            if not begun and not any(w is not None and w.serving for w in kept):
                prestart.run(recorder, release, app)
            for one, row in zip(wanted, kept, strict=True):
                workloads.append(_launch(recorder, release, one, row))
            note.text = f"{len(wanted)} instance{'s' if len(wanted) > 1 else ''}"
    return workloads


def _launch(recorder: Recorder, release: Release, wanted: Wanted, row: Workload | None) -> Workload:
    """Start one instance, or go on with the one an earlier try of this deployment started."""
    deployment = recorder.deployment
    if row is not None and row.serving and not row.yielded_to_id:
        return row
    if row is None or row.serving or row.deployment_id != deployment.pk:
        row = Workload.objects.create(
            pod=deployment.pod,
            revision=release.revision,
            deployment=deployment,
            app=wanted.app,
            replica=wanted.replica,
            fingerprint=wanted.fingerprint,
            engine=release.engine,
        )
        failpoint("workload.recorded", deployment.pod_id)
    recorder.write(f"Starting {row} as {row.id}")
    recorder.patiently(lambda: launch.start(release, row), "the engine")
    return row


def _make_room(recorder: Recorder, release: Release, wanted: Wanted) -> None:
    """A disk has one writer: whoever serves with one of these disks stops before the new instance starts."""
    pod = recorder.deployment.pod
    if not wanted.disks or pod.live is None:
        return
    holders = {w.app for w in Release.of(pod.live).wanted() if set(w.disks) & set(wanted.disks)}
    # One that was asked already may still run: whoever asked it was killed before it had stopped.
    yielding = Q(yielded_to=None) | Q(yielded_to=recorder.deployment)
    for holder in Workload.objects.filter(yielding, pod=pod, app__in=holders, serving=True):
        moving.check_disks(wanted.disks, holder.engine or engines.default(), release.engine)
        Workload.objects.filter(pk=holder.pk).update(yielded_to=recorder.deployment)
        failpoint("room.asked", pod.pk)
        recorder.write(f"Stopping {holder}: its disk has one writer")
        recorder.patiently(lambda holder=holder: launch.pause(holder), "the engine")  # type: ignore[misc]
        failpoint("room.made", pod.pk)


def undo(deployment: Deployment, write: Callable[[str], None]) -> None:
    """Stop what was started for a deployment that did not go live, and start again what made room for it.

    What cannot be done now (the engine is away) the reconciler does.
    """
    for build in deployment.revision.builds.all():
        builds.discard(build)
    try:
        for workload in Workload.objects.filter(deployment=deployment, serving=False).exclude(state="stopped"):
            _last_words(workload, write)
            launch.stop(workload, UNDO_GRACE)
            failpoint("undo.stopped", deployment.pod_id)
        restore_yielded(deployment.pod_id)
    except PlatformError as error:
        log.warning("undo_left_to_reconciler", deployment=deployment.pk, error=str(error))


def restore_yielded(pod_id: str) -> None:
    """Start again what serves and had made room for a deployment that has ended."""
    rows = Workload.objects.filter(pod_id=pod_id, serving=True, yielded_to__isnull=False).select_related("revision")
    for workload in rows:
        others = Workload.objects.filter(deployment=workload.yielded_to_id, serving=False)
        if others.exclude(state="stopped").exists():
            continue  # the newcomer still has the disk
        launch.start(Release.of(workload.revision), workload)
        Workload.objects.filter(pk=workload.pk).update(yielded_to=None)


def _last_words(workload: Workload, write: Callable[[str], None], lines: int = 30) -> None:
    """The end of what a failing instance wrote, where its deployer looks first."""
    handle = workload.handle or {"id": workload.id}
    try:
        if workload.runner.status(handle).state is State.GONE:
            return
        for line in list(workload.runner.logs(handle))[-lines:]:
            write(f"{workload.app} | {line.text}")
    except Unavailable:
        return
