"""How a revision comes to run: read `deploy`, it is the whole story."""

from __future__ import annotations

from collections.abc import Iterator

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from apps.audit import trail
from apps.builds import pipeline as builds
from apps.builds.models import Build
from apps.core.errors import PlatformError, UserError
from apps.core.failpoints import failpoint
from apps.core.leases import Lease, LeaseLost, acquire, kept
from apps.core.masking import Mask
from apps.core.states import move
from apps.deployments import allotting, announcing, deadlines, dispatch, filling, health, purge, queue, retire, settling
from apps.deployments.attended import Cancelled
from apps.deployments.checks import Check
from apps.deployments.events import changed
from apps.deployments.hidden import all_hidden
from apps.deployments.models import DEPLOYMENT_MOVES, STAGES, WORKLOAD_MOVES, Deployment, StageRun, Workload
from apps.deployments.recorder import Recorder
from apps.deployments.release import Release
from apps.deployments.rollout import launch_all, undo
from apps.deployments.switch import switch
from apps.logs.writer import LogWriter
from apps.pods import kinds

log = structlog.get_logger(__name__)


def deploy(recorder: Recorder) -> None:
    """Build what changed, have its databases, launch it beside the old, wait until it is healthy, move the traffic."""
    revision = recorder.deployment.revision
    for build in revision.builds.order_by("app"):
        if build.artifact_id:
            _skip_build(recorder, build)
        else:
            _build(recorder, build)
    _built(recorder)
    settling.stand_aside(revision.pod_id)
    release = Release.of(revision)
    allotting.have_all(recorder, release)
    workloads = _begun(recorder, release, release.databases())
    filling.fill(recorder, release)
    workloads += _begun(recorder, release, release.apps())
    recorder.log.section("Switch")
    recorder.patiently(lambda: switch(recorder.deployment, workloads, recorder.lease), "the edge")
    failpoint("edge.answers", recorder.deployment.pod_id)
    recorder.write(f"{revision} is live.")
    purge.after_going_live(recorder)


def _begun(recorder: Recorder, release: Release, names: list[str]) -> list[Workload]:
    """Every instance of `names`, healthy."""
    workloads = launch_all(recorder, release, names) if names else []
    for workload in workloads:
        _check_health(recorder, release, workload)
    return workloads


class HandedOver(Exception):
    """Everything is built, on a machine that does nothing else: a worker goes on."""


def _built(recorder: Recorder) -> None:
    """Note that the builder is free for another; what was built elsewhere is released by a worker."""
    deployment = recorder.deployment
    if deployment.builder is None or deployment.built_at:
        return
    recorder.check()
    deployment.built_at = timezone.now()
    Deployment.objects.filter(pk=deployment.pk, **recorder.lease.where).update(built_at=deployment.built_at)
    failpoint("deployment.built", deployment.pod_id)
    if deployment.builder.dedicated:
        raise HandedOver
    dispatch.assign()


def _build(recorder: Recorder, build: Build) -> None:
    """A build whose engine went away in the middle begins again when the engine is back."""
    recorder.patiently(lambda: builds.build(build, recorder), "the engine")


def run(deployment_id: str) -> None:
    """Work on a deployment until it has ended, if it is its turn and nobody else does. Safe to call at any time."""
    deployment = Deployment.objects.select_related("pod", "revision__pod").filter(pk=deployment_id).first()
    if deployment is None or not deployment.is_open or deployment.pod.deleting_at or not queue.may_begin(deployment):
        return
    lease = acquire(deployment, builder=deployment.builder_id)  # which may have been given to another by now
    if lease is None:
        return
    # Whoever woke this worker: the lines are those of the request that made the deployment.
    known = {"request": trail.request_of("deployment.make", deployment), "deployment": deployment.pk}
    with kept(lease), structlog.contextvars.bound_contextvars(**known):
        if deployment.is_open and _begin(deployment):
            failpoint("deployment.begun", deployment.pod_id)
            _work(deployment, lease)
            failpoint("deployment.ended", deployment.pod_id)
    queue.wake_next()
    retire.retire(deployment.pod_id)
    allotting.release_unused(deployment.pod_id)
    settling.wake_due()


def _begin(deployment: Deployment) -> bool:
    """Make a waiting deployment the one under way; False while another one is."""
    if deployment.state != "waiting":
        return True  # taken over from a worker that is gone
    now = timezone.now()
    try:
        with transaction.atomic():
            limit = deadlines.deadline(deployment, now)
            if not move(deployment, "pending", table=DEPLOYMENT_MOVES, started_at=now, deadline=limit):
                return False
            StageRun.objects.bulk_create(_rows(deployment), ignore_conflicts=True)
            announcing.deployment_began(deployment)
    except IntegrityError:
        deployment.refresh_from_db()
        return False
    changed(deployment.pod_id, deployment.pk)
    return True


def _rows(deployment: Deployment) -> Iterator[StageRun]:
    """Every stage of every app; a database is launched and checked, and nothing of it is built."""
    for resource in deployment.revision.snapshot().values():
        server = kinds.get(resource.kind).server
        stages: tuple[str, ...] = STAGES if resource.kind == "App" else STAGES[6:] if server else ()
        if resource.spec.get("server"):
            stages = ("launch",)
        for stage in stages:
            yield StageRun(deployment=deployment, stage=stage, app=resource.name)


def _work(deployment: Deployment, lease: Lease) -> None:
    """Run the story and record how it ended. Writes nothing once the lease is lost."""
    try:
        # Until the secrets are known nothing is written that could hold one.
        with LogWriter.open(deployment.stream, mask=Mask([])) as writer:
            recorder = Recorder(deployment=deployment, lease=lease, log=writer)
            try:
                writer.mask = Mask(recorder.patiently(lambda: all_hidden(deployment.revision), "the secret store"))
                deploy(recorder)
            except Cancelled:
                _end(recorder, "cancelled", "Cancelled.")
            except UserError as error:
                _end(recorder, "failed", error.message, code=error.code, hint=error.hint)
            except PlatformError as error:
                log.exception("deployment_failed", deployment=deployment.pk, error_id=error.id)
                _end(recorder, "failed", f"{error.message} ({error.id})", code=error.code, hint=error.hint)
            except (LeaseLost, HandedOver):
                raise
            except (OperationalError, InterfaceError):
                # The database went away, or cut the connection: whoever takes over goes on when it is back.
                connection.close()  # the lease is given back on another one
                raise
            except Exception:
                failure = PlatformError("internal_error", "The platform failed while deploying.")
                log.exception("deployment_failed", deployment=deployment.pk, error_id=failure.id)
                _end(recorder, "failed", f"{failure.message} ({failure.id})", code=failure.code, hint="Try again.")
            else:
                _end(recorder, "ready", "")
    except LeaseLost:
        log.info("lease_lost", deployment=deployment.pk)
    except HandedOver:
        log.info("handed_over", deployment=deployment.pk)


def _end(recorder: Recorder, state: str, error: str, *, code: str = "", hint: str = "") -> None:
    """Record the end; anything but success stops what was started for it and brings back what made room."""
    deployment, lease = recorder.deployment, recorder.lease
    error, hint = recorder.log.mask(error), recorder.log.mask(hint)  # they may quote what a command printed
    # Whoever took it over removed what this try had, which may be why it failed: nothing of theirs is undone.
    recorder.lease.renew()
    deployment.refresh_from_db()
    if state != "ready" and deployment.switched_at is None:
        undo(deployment, recorder.write)
    recorder.lease.check()
    if error:
        recorder.log.line(" ".join(filter(None, (error, hint))), level="error" if state == "failed" else "warn")
    left = StageRun.objects.filter(deployment=deployment, state__in=("pending", "running"))
    left.update(state="skipped", note="" if state == "ready" else "Not reached.")
    failpoint("deployment.ending", deployment.pod_id)
    with transaction.atomic():
        won = move(
            deployment, state, table=DEPLOYMENT_MOVES, where=lease.where,
            finished_at=timezone.now(), error=error, error_code=code, hint=hint,
        )  # fmt: skip
        if not won:
            raise LeaseLost
        announcing.deployment_ended(deployment)
    recorder.log.ended(state, seconds=_elapsed(deployment), note=error)
    log.info("deployment_ended", pod=deployment.pod.name, state=state, code=code, seconds=_elapsed(deployment))
    changed(deployment.pod_id, deployment.pk)


def _elapsed(deployment: Deployment) -> float | None:
    if deployment.started_at is None or deployment.finished_at is None:
        return None
    return max(0.0, round((deployment.finished_at - deployment.started_at).total_seconds(), 1))


def _skip_build(recorder: Recorder, build: Build) -> None:
    commit = f" ({build.commit[:7]})" if build.commit else ""
    why = f"The stored artifact serves{commit}."
    promoted = build.revision.promotions.filter(app=build.app, build__artifact=build.artifact_id)
    if row := promoted.select_related("build__revision__pod").first():
        origin = row.build.revision
        why = f"The artifact of {origin.pod}, revision {origin.version}{commit}: nothing is built."
        recorder.write(f"{build.app}: {why[0].lower()}{why[1:]}")
    recorder.skip(*STAGES[:6], app=build.app, why=why)


def _check_health(recorder: Recorder, release: Release, workload: Workload) -> None:
    """Wait for one instance. One that serves already is healthy by definition: it is kept, not checked again."""
    deployment = recorder.deployment
    if workload.serving:
        recorder.skip("health", app=workload.app, why="Unchanged: it keeps running.")
        return

    def degraded(words: str) -> None:
        recorder.log.line(f"Not healthy within its window: {words}. Still trying.", level="warn")
        with transaction.atomic():
            if move(deployment, "degraded", table=DEPLOYMENT_MOVES, where=recorder.lease.where):
                announcing.deployment_degraded(deployment, recorder.log.mask(words))
        changed(deployment.pod_id, deployment.pk)

    with recorder.stage("health", workload.app) as note:
        check = Check.of(release.snapshot[workload.app], deployment.pod.name)
        note.text = health.wait(workload, check, tick=recorder.heed, degraded=degraded)
        recorder.write(f"{workload}: {note.text}")
        now = timezone.now()
        move(workload, "healthy", table=WORKLOAD_MOVES, observed_at=now, since=now)
