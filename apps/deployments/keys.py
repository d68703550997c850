"""Keys of apps, made and ended: the edge hears of it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from apps.audit import trail
from apps.deployments import wake
from apps.deployments.events import changed
from apps.pods import keys
from apps.pods.models import Pod

if TYPE_CHECKING:
    from apps.accounts.models import User


@transaction.atomic
def make_key(*, pod: Pod, app: str, by: User) -> str:
    """A new key, which nobody can read again; the one before it counts for a day more."""
    key = keys.make_key(pod=pod, app=app, by=by)
    trail.note("app.key_make", by=by, about=pod, part=app)
    _told(pod)
    return key


@transaction.atomic
def end_key(*, pod: Pod, app: str, name: str, by: User) -> None:
    """A key counts no longer, from the edge's next look on: within seconds."""
    keys.end_key(pod=pod, app=app, name=name, by=by)
    trail.note("app.key_end", by=by, about=pod, part=app, called=name)
    _told(pod)


def _told(pod: Pod) -> None:
    changed(pod.pk)
    wake.wake(wake.RECONCILE)
