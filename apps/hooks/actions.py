"""What people do with a pod's webhook. Keys are written before the rows that name their versions."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.audit import trail
from apps.core.errors import Conflict, NotFound
from apps.deployments.wake import wake
from apps.hooks import keys
from apps.hooks.models import AppSecret, Webhook
from apps.pods.models import Pod, Resource
from apps.secretstore import secrets as store

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
TEND = "hooks.tend"  # has git hosts know the present key
OVERLAP = datetime.timedelta(hours=24)  # how long the old key counts beside the new one


def make_webhook(*, pod: Pod, by: User) -> Webhook:
    """Give the pod a webhook; the one it has, if it has one. Raises Conflict("pod_deleting"), Unavailable."""
    if found := Webhook.objects.filter(pod=pod).first():
        return found
    check_alive(pod)
    # First the path, for whoever deletes the pod; then the key, outside a transaction; then the row that names it.
    Pod.objects.filter(pk=pod.pk).update(webhook_path=keys.path_of(pod.pk))
    version = store().write(keys.path_of(pod.pk), {keys.NEW: keys.make()})
    try:
        with transaction.atomic():
            made = Webhook.objects.create(pod=pod, version=version)
            trail.note("webhook.make", by=by, about=pod)
    except IntegrityError:
        return Webhook.objects.get(pod=pod)
    log.info("webhook_made", pod=pod.pk, by=by.pk)
    return made


def read_key(*, pod: Pod, by: User, app: str = "") -> str:
    """The key, or that of one app's address, to be pasted into the git host. It can be read again and again, by who
    may deploy the pod anyway: a key shown only once ends up in a note beside the keyboard. Every reading is logged.
    """
    row = _webhook(pod)
    trail.note("webhook.secret", by=by, about=pod, part=app)
    log.info("webhook_key_shown", pod=pod.pk, by=by.pk)
    return keys.of_app(store().read(keys.path_of(pod.pk), row.version)[keys.NEW], app, keys.turn_of(row, app))


def rotate_key(*, pod: Pod, by: User) -> Webhook:
    """Make another key; the present one counts for OVERLAP more, the one before it no longer.

    Raises Conflict("webhook_changed") if somebody else did it meanwhile.
    """
    row = _webhook(pod)
    check_alive(pod)
    present = store().read(keys.path_of(pod.pk), row.version)[keys.NEW]
    version = store().write(keys.path_of(pod.pk), {keys.NEW: keys.make(), keys.OLD: present})
    now = timezone.now()
    with transaction.atomic():
        won = Webhook.objects.filter(pk=row.pk, version=row.version).update(
            version=version, rotated_at=now, old_until=now + OVERLAP
        )
        if won:
            trail.note("webhook.rotate", by=by, about=pod)
    if not won:
        raise Conflict("webhook_changed", "Somebody else has just made a new secret.", "Reload the page to see it.")
    wake(TEND)
    log.info("webhook_key_rotated", pod=pod.pk, by=by.pk)
    row.refresh_from_db()
    return row


@transaction.atomic
def end_old_key(*, pod: Pod, by: User) -> Webhook:
    """The key that was replaced counts no longer, from now on."""
    row = _webhook(pod)
    Webhook.objects.filter(pk=row.pk, version=row.version).update(old_until=None)
    trail.note("webhook.end_old", by=by, about=pod)
    log.info("webhook_old_key_ended", pod=pod.pk, by=by.pk)
    row.refresh_from_db()
    return row


@transaction.atomic
def rotate_app_key(*, pod: Pod, app: str, by: User) -> AppSecret:
    """Make another key for the address of `app` alone; the present one counts for OVERLAP more.

    Raises NotFound, Conflict("pod_deleting"), and Conflict("webhook_changed") if somebody else did it meanwhile.
    """
    row = _webhook(pod)
    check_alive(pod)
    _check_app(pod, app)
    own, _ = AppSecret.objects.get_or_create(webhook=row, app=app)
    now = timezone.now()
    won = AppSecret.objects.filter(pk=own.pk, turn=own.turn).update(
        turn=own.turn + 1, rotated_at=now, old_until=now + OVERLAP
    )
    if not won:
        raise Conflict("webhook_changed", "Somebody else has just made a new secret.", "Reload the page to see it.")
    trail.note("webhook.rotate", by=by, about=pod, part=app)
    log.info("webhook_key_rotated", pod=pod.pk, app=app, by=by.pk)
    own.refresh_from_db()
    return own


@transaction.atomic
def end_old_app_key(*, pod: Pod, app: str, by: User) -> AppSecret:
    """The key of the address of `app` that was replaced alone counts no longer. Raises NotFound where none was."""
    own = AppSecret.objects.filter(webhook=_webhook(pod), app=app).first()
    if own is None:
        raise NotFound(f"replaced secret of {app}")
    AppSecret.objects.filter(pk=own.pk, turn=own.turn).update(old_until=None)
    trail.note("webhook.end_old", by=by, about=pod, part=app)
    log.info("webhook_old_key_ended", pod=pod.pk, app=app, by=by.pk)
    own.refresh_from_db()
    return own


def _check_app(pod: Pod, app: str) -> None:
    revisions = [row for row in (pod.live, pod.head, pod.draft) if row]
    if not Resource.objects.filter(revision__in=revisions, kind="App", name=app).exists():
        raise NotFound("such app in this pod")


def _webhook(pod: Pod) -> Webhook:
    row = Webhook.objects.filter(pod=pod).first()
    if row is None:
        raise NotFound(f"webhook of {pod.name}")
    return row


def check_alive(pod: Pod) -> None:
    """Raises Conflict("pod_deleting")."""
    if pod.deleting_at:
        raise Conflict("pod_deleting", f"{pod.name} is being deleted.", "Nothing in it can be changed any more.")
