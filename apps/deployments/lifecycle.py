"""Stop, start, restart, put to sleep, wake, scale: wishes about an app that runs, written down for settling.py.

Each is a change of one row and one event; nothing here waits for an engine, and nobody needs a deployment for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.core.errors import Conflict, NotFound
from apps.deployments import announcing, feed
from apps.deployments import wake as workers
from apps.deployments.events import changed
from apps.deployments.models import AppControl, AppEvent, Workload
from apps.deployments.release import Release
from apps.pods.models import Pod

if TYPE_CHECKING:
    from apps.accounts.models import User


@transaction.atomic
def stop(*, pod: Pod, app: str, by: User | None) -> None:
    """Have no instance of `app` run until it is started by hand, whatever is deployed meanwhile.

    Raises Conflict("already_stopped" | "nothing_runs" | "pod_deleting"), NotFound, as all of these do.
    """
    control = _control(pod, app)
    if control.stopped_at:
        raise Conflict("already_stopped", f"{app} is stopped already.", "Start it to have it run again.")
    _change(control, stopped_at=timezone.now(), stopped_by=by, asleep_since=None, asleep_as="")
    _tell(control, "stopped", "Stopped", by)


@transaction.atomic
def start(*, pod: Pod, app: str, by: User | None) -> None:
    """Have a stopped or sleeping app run again. Raises Conflict("not_stopped")."""
    control = _control(pod, app)
    if not (control.stopped_at or control.asleep_since):
        raise Conflict("not_stopped", f"{app} is not stopped.", "Restart it to have its instances started anew.")
    _change(control, stopped_at=None, stopped_by=None, asleep_since=None, refused_at=None, active_at=timezone.now())
    _tell(control, "started", "Started", by)


@transaction.atomic
def restart(*, pod: Pod, app: str, by: User | None) -> None:
    """Replace all instances by new ones of the same revision, without a build. Raises Conflict("app_stopped")."""
    control = _control(pod, app)
    if control.stopped_at:
        raise Conflict("app_stopped", f"{app} is stopped.", "Start it instead.")
    _change(control, generation=control.generation + 1, asleep_since=None, refused_at=None, active_at=timezone.now())
    _tell(control, "restarted", "Restart", by)


ACTIONS: dict[str, Callable[..., None]] = {"stop": stop, "start": start, "restart": restart}


@transaction.atomic
def for_pod(action: str, *, pod: Pod, by: User | None) -> list[str]:
    """One of ACTIONS for every app of the pod that it means something for; their names.

    Raises Conflict("nothing_to_do") when it means nothing for any.
    """
    done = []
    for app in sorted(_runnable(pod)):
        try:
            with transaction.atomic():
                ACTIONS[action](pod=pod, app=app, by=by)
        except Conflict as error:
            if error.code == "pod_deleting":
                raise
            continue
        done.append(app)
    if not done:
        raise Conflict("nothing_to_do", f"Nothing of {pod.name} can be asked to {action} now.", "Look at their states.")
    return done


@transaction.atomic
def put_to_sleep(*, control: AppControl, fingerprint: str, words: str) -> bool:
    """Have `control`'s app run again only with its next request; False when something was wanted of it meanwhile."""
    now = timezone.now()
    rows = AppControl.objects.filter(pk=control.pk, version=control.version, stopped_at=None, asleep_since=None)
    asleep = {"asleep_since": now, "asleep_as": fingerprint, "refused_at": None}
    if not rows.update(version=F("version") + 1, due=True, **asleep):
        return False
    _after(control)
    _tell(control, "asleep", words, None)
    announcing.regulated(control, "app.asleep", words)
    return True


@transaction.atomic
def wake(*, control: AppControl) -> bool:
    """Have a sleeping app run, because somebody asked for it; False when it does not sleep any more."""
    rows = AppControl.objects.filter(pk=control.pk, stopped_at=None, asleep_since__isnull=False)
    if not rows.update(version=F("version") + 1, due=True, asleep_since=None, active_at=timezone.now()):
        return False
    _after(control)
    _tell(control, "awake", "Woken by a request", None)
    announcing.regulated(control, "app.awake", "Woken by a request")
    return True


@transaction.atomic
def scale(*, control: AppControl, count: int, words: str) -> bool:
    """Have `count` instances; False when something was wanted of it meanwhile."""
    rows = AppControl.objects.filter(pk=control.pk, version=control.version, stopped_at=None, asleep_since=None)
    if not rows.update(version=F("version") + 1, due=True, count=count, scaled_at=timezone.now()):
        return False
    _after(control)
    _tell(control, "scaled", words, None)
    announcing.regulated(control, "app.scaled", words)
    return True


@transaction.atomic
def replace(workload: Workload) -> None:
    """Have another one started in the place of one that is being sent away, and serves until then.

    Without its fingerprint it is nothing that a release wants: whoever compares starts what is wanted beside it.
    """
    rows = Workload.objects.filter(pk=workload.pk, serving=True).exclude(fingerprint="")
    if rows.update(fingerprint=""):
        _change(control_of(workload.pod_id, workload.app))
        feed.tell(workload, "start", "Its machine is being emptied: another one is started in its place.")


def control_of(pod_id: str, app: str) -> AppControl:
    """The row of an app, made if there is none yet."""
    return AppControl.objects.get_or_create(pod_id=pod_id, app=app)[0]


def _control(pod: Pod, app: str) -> AppControl:
    if app not in _runnable(pod):
        if pod.live is None or app not in pod.live.snapshot():
            raise NotFound(f"app {app} in what is live")
        raise Conflict("nothing_runs", f"{app} runs nothing.", "Disable the route that leads to it instead.")
    control_of(pod.pk, app)
    return AppControl.objects.select_for_update().get(pod=pod, app=app)


def _runnable(pod: Pod) -> list[str]:
    if pod.deleting_at:
        raise Conflict("pod_deleting", f"{pod.name} is being deleted.", "Nothing in it can be changed any more.")
    if pod.live is None:
        return []
    release = Release.of(pod.live)
    return [*release.databases(), *(app for app in release.apps() if release.runs(app))]


def _change(control: AppControl, **fields: Any) -> None:
    AppControl.objects.filter(pk=control.pk).update(version=F("version") + 1, due=True, **fields)
    _after(control)


def _after(control: AppControl) -> None:
    changed(control.pod_id)
    workers.wake(workers.SETTLE, control.pod_id, control.app)


def _tell(control: AppControl, kind: str, words: str, by: User | None) -> None:
    AppEvent.objects.create(pod_id=control.pod_id, app=control.app, kind=kind, words=words[:300], actor=by)
