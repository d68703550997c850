"""The passwords of a pod's databases: shown to somebody, and replaced by new ones. Both are told in the events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from apps.audit import trail
from apps.core.errors import NotFound
from apps.deployments import databases
from apps.deployments.actions import revision_under_way, start
from apps.deployments.events import changed
from apps.deployments.models import AppEvent, Deployment, Trigger
from apps.pods import actions, kinds, moving
from apps.pods.contents import databases_of
from apps.pods.databases import access, make_credentials
from apps.pods.models import Pod, Revision
from apps.servers.base import Access

if TYPE_CHECKING:
    from apps.accounts.models import User


def reveal(*, pod: Pod, name: str, by: User | None) -> Access:
    """How apps reach the database that is live, password included. Raises NotFound, Unavailable with the store."""
    live = _live(pod, name)
    spec = databases_of(live.snapshot())[name]
    found = databases.credentials(live, name, spec.credentials)
    with transaction.atomic():
        trail.note("database.password", by=by, about=pod, part=name)
        _tell(pod, name, "Its password was shown", by)
    return access(moving.engine_of(live), pod.pk, name, spec, found.password)


def rotate(*, pod: Pod, name: str, by: User | None) -> Deployment:
    """New passwords for a database that is live, deployed at once: it and the apps that refer to it restart.

    Nothing else changes; the open draft is no part of it. Raises NotFound, Unavailable with the secret store,
    Conflict("pod_deleting").
    """
    _live(pod, name)
    version = make_credentials(pod, name)  # outside the transaction, as secrets are
    with transaction.atomic():
        base = revision_under_way(Pod.objects.select_for_update().get(pk=pod.pk))
        revision = actions.give_credentials(pod=pod, name=name, version=version, by=by, base=base)
        trail.note("database.rotate", by=by, about=pod, part=name)
        _tell(pod, name, "New passwords are being deployed", by)
        return start(pod=pod, revision=revision, trigger=Trigger.MANUAL, by=by)


def _live(pod: Pod, name: str) -> Revision:
    live = pod.live
    found = live.snapshot().get(name) if live else None
    if live is None or found is None or kinds.get(found.kind).server is None:
        raise NotFound(f"database {name} in what is live")
    return live


def _tell(pod: Pod, name: str, words: str, by: User | None) -> None:
    AppEvent.objects.create(pod=pod, app=name, kind="password", words=words, actor=by)
    changed(pod.pk)
