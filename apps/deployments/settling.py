"""What runs of an app, brought to what is wanted of it while no deployment does so: stop, start, restart, scale, sleep.

Whoever wants something writes it down (apps/deployments/lifecycle.py) and marks the app as due; here what is wanted is
compared with what serves, as a deployment does: started beside, healthy, then the traffic moves, then the rest is
drained. Whatever dies on the way, the app is due still and the reconciler has it gone on with.

A deployment that has everything built takes precedence: it raises the fence of every control of its pod, and what
is being done here can move no traffic any more; it heeds the same wishes itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps import edge
from apps.core.errors import PlatformError, Unavailable, UserError
from apps.core.failpoints import failpoint
from apps.core.leases import Lease, LeaseLost, acquire, kept
from apps.core.states import move
from apps.deployments import dispatch, health, launch, runtime_logs, wake
from apps.deployments.checks import Check
from apps.deployments.desired import edge_state
from apps.deployments.events import changed
from apps.deployments.models import WORKLOAD_MOVES, AppControl, AppEvent, Deployment, Workload
from apps.deployments.release import Release, Wanted, running
from apps.deployments.retire import coming, retire
from apps.pods.models import Pod

log = structlog.get_logger(__name__)
AT_ONCE = 3  # apps; the worker has a process for each (apps/infrastructure/embedded/services.py)
ROUNDS = 20  # changes of mind followed in one go; the reconciler goes on after that
LOOK_EVERY = 0.5  # seconds between two looks at whether something else is wanted by now
GRACE = 5.0  # seconds between TERM and KILL for something that never had traffic


class Changed(Exception):
    """Something else is wanted by now."""


def settle(pod_id: str, app: str) -> None:
    """Bring `app` to what is wanted of it, if nobody else does. Safe to call at any time; never raises for the app."""
    control = AppControl.objects.filter(pod=pod_id, app=app, due=True, pod__deleting_at=None).first()
    lease = acquire(control) if control and has_room() else None
    if control is None or lease is None:
        return
    with kept(lease):
        if in_rollout(pod_id):
            return
        try:
            for _ in range(ROUNDS):
                if _settled(control, lease):
                    break
        except LeaseLost:
            log.info("settling_overtaken", pod=pod_id, app=app)
        except Unavailable as error:
            log.info("settling_later", pod=pod_id, app=app, error=str(error))
    retire(pod_id)
    wake_due()


def has_room() -> bool:
    """Whether one more may be brought to what is wanted: processes are left for deployments and the reconciler."""
    held = AppControl.objects.filter(leased_until__isnull=False).only("leased_until", "holder")
    return sum(control.held for control in held) < AT_ONCE


def wake_due() -> None:
    """Have those gone on with that are due and that nobody works on."""
    for control in AppControl.objects.filter(due=True, pod__deleting_at=None).order_by("active_at", "pk"):
        if not control.held and not in_rollout(control.pod_id):
            wake.wake(wake.SETTLE, control.pod_id, control.app)


def in_rollout(pod_id: str) -> bool:
    """Whether a deployment starts and stops the pod's instances now, or is about to: it has nothing left to build."""
    under_way = Deployment.objects.filter(pod=pod_id, state__in=("pending", "degraded"))
    return under_way.annotate(unbuilt=dispatch.UNBUILT).filter(unbuilt=False).exists()


def stand_aside(pod_id: str) -> None:
    """For a deployment with everything built: nobody moves traffic of the pod from here on but it."""
    AppControl.objects.filter(pod=pod_id).update(fence=F("fence") + 1, leased_until=None)


def _settled(control: AppControl, lease: Lease) -> bool:
    """One comparison; False when something else was wanted before it was done."""
    control.refresh_from_db()
    pod = Pod.objects.select_related("live").get(pk=control.pod_id)
    if not control.due or pod.live is None:
        return True
    release = Release.of(pod.live)
    wanted = [one for one in release.wanted() if one.app == control.app]
    began = time.monotonic()
    try:
        rows = _started(control, lease, release, wanted)
        new = [row for row in rows if not row.serving]
        _healthy(control, lease, release, rows)
        _move_traffic(control, lease, release, rows)
    except Changed:
        return False
    except Unavailable:
        raise
    except (UserError, PlatformError) as error:
        return _failed(control, lease, release, error)
    if new:
        count = f"{len(new)} instance{'' if len(new) == 1 else 's'}"
        _tell(control, "started", f"{count} started in {time.monotonic() - began:.1f} s")
    changed(control.pod_id)
    return True


def _started(control: AppControl, lease: Lease, release: Release, wanted: list[Wanted]) -> list[Workload]:
    """A row for every wanted instance, in the order of `wanted`, its process started."""
    found = running(release.revision.pod, release.engine)
    rows = []
    for one in wanted:
        row = found.get((one.app, one.replica, one.fingerprint))
        if row is not None and row.serving:
            rows.append(row)
            continue
        _ask_again(control, lease)
        if one.disks and (kept_row := _in_place(control, release, one)):
            rows.append(kept_row)
            continue
        if row is None or row.deployment_id is not None or row.released_at is not None:
            row = Workload.objects.create(
                pod=release.revision.pod,
                revision=release.revision,
                app=one.app,
                replica=one.replica,
                fingerprint=one.fingerprint,
                engine=release.engine,
            )
            failpoint("settling.recorded", control.pod_id)
        launch.start(release, row)
        rows.append(row)
    return rows


def _in_place(control: AppControl, release: Release, wanted: Wanted) -> Workload | None:
    """With a disk, which has one writer: the instance that serves, ended and started as `wanted`; None without one."""
    serving = Workload.objects.filter(pod=control.pod_id, app=wanted.app, serving=True, yielded_to=None)
    row = serving.first()
    if row is None:
        return None
    launch.pause(row)
    failpoint("settling.paused", control.pod_id)
    serving.filter(pk=row.pk).update(fingerprint=wanted.fingerprint, revision=release.revision)
    launch.start(release, row)
    _tell(control, "started", "Ended and started again: its disk has one writer")
    return row


def _healthy(control: AppControl, lease: Lease, release: Release, rows: list[Workload]) -> None:
    """Wait until all are; those that serve were found healthy before."""
    tick, pod = _ticker(control, lease), release.revision.pod.name
    for row in rows:
        if not row.serving:
            health.wait(row, Check.of(release.snapshot[control.app], pod), tick=tick, degraded=lambda _: None)
            now = timezone.now()
            move(row, "healthy", table=WORKLOAD_MOVES, observed_at=now, since=now)


def _ticker(control: AppControl, lease: Lease) -> Callable[[], None]:
    looked = time.monotonic()

    def tick() -> None:
        nonlocal looked
        lease.check()
        if time.monotonic() - looked > LOOK_EVERY:
            looked = time.monotonic()
            _ask_again(control, lease)

    return tick


def _ask_again(control: AppControl, lease: Lease) -> None:
    """Raise LeaseLost or Changed if this is to stop here."""
    mine = AppControl.objects.filter(pk=control.pk, **lease.where).values_list("version", flat=True).first()
    if mine is None:
        raise LeaseLost
    if mine != control.version:
        raise Changed


def _move_traffic(control: AppControl, lease: Lease, release: Release, rows: list[Workload]) -> None:
    """The one moment: `rows` serve, all others of the app do not, and nothing is due any more."""
    pod_id, chosen = control.pod_id, [row.pk for row in rows]
    with transaction.atomic():
        live = Pod.objects.select_for_update().filter(pk=pod_id).values_list("live", flat=True).first()
        if live != release.revision.pk:
            raise Changed
        _done(control, lease, asleep_as=control.asleep_as if control.asleep_since else "", active_at=timezone.now())
        mine = Workload.objects.filter(pod=pod_id, app=control.app)
        mine.filter(serving=True).exclude(pk__in=chosen).update(serving=False, released_at=timezone.now())
        mine.filter(pk__in=chosen).update(serving=True, released_at=None, revision=release.revision)
    failpoint("settling.moved", pod_id)
    edge.edge().apply(edge_state)


def _done(control: AppControl, lease: Lease, **fields: object) -> None:
    """Take "due" back. Raises LeaseLost or Changed."""
    mine = AppControl.objects.filter(pk=control.pk, version=control.version, **lease.where)
    if not mine.update(due=False, **fields):
        _ask_again(control, lease)
        raise LeaseLost


def _failed(control: AppControl, lease: Lease, release: Release, error: UserError | PlatformError) -> bool:
    """Stop what was started, say why, and want nothing that cannot be had; False when something else is wanted."""
    words, mask = f"{error.message} {error.hint}".strip(), None
    for row in Workload.objects.filter(pk__in=coming(control.pod_id), app=control.app):
        mask = mask or runtime_logs.runtime_mask(row.pk)
        launch.stop(row, GRACE)
    words = mask(words) if mask else words
    left = list(Workload.objects.filter(pod=control.pod_id, app=control.app, serving=True))
    now = timezone.now()
    try:
        if left:
            count = len(left) if control.count else None
            _done(control, lease, count=count, generation=_generation(control, release, left[0]))
            words = f"{words} What ran before goes on."
        elif control.asleep_as:
            _done(control, lease, asleep_since=now, refused_at=now)
            words = f"It could not be woken. {words}"
        else:
            _done(control, lease, stopped_at=now, stopped_by=None)
            words = f"It did not start and stays stopped. {words}"
    except Changed:
        return False
    _tell(control, "failed", words)
    changed(control.pod_id)
    return True


def _generation(control: AppControl, release: Release, serving: Workload) -> int:
    """Of what serves: that it be started anew is not wanted any more. The newest when it cannot be told."""
    newest = control.generation
    for generation in range(newest, max(-1, newest - 10), -1):
        former = AppControl(app=control.app, generation=generation)
        if replace(release, controls={control.app: former}).fingerprint(control.app) == serving.fingerprint:
            return generation
    return newest


def _tell(control: AppControl, kind: str, words: str) -> None:
    level = "error" if kind == "failed" else "info"
    AppEvent.objects.create(pod_id=control.pod_id, app=control.app, kind=kind, words=words[:300], level=level)
