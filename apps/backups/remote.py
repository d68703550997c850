"""The copies of backups in an object store, if the settings name one. What goes wrong here harms no local backup."""

from __future__ import annotations

import datetime
import functools
import json
from io import BytesIO
from typing import IO

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from apps.artifacts import objects
from apps.backups import announcing, sealing, wake
from apps.backups.models import Backup, Remote, State
from apps.core.errors import PlatformError
from apps.core.leases import LeaseLost, acquire, kept

MOST = 2  # copies at once: each takes a worker
AGAIN = datetime.timedelta(minutes=15)

log = structlog.get_logger(__name__)


def store() -> objects.Objects | None:
    url = settings.BRAINPOD.backups_url
    return _opened(url) if url else None


@functools.cache
def _opened(url: str) -> objects.Objects:
    return objects.opened(url)


def tend(now: datetime.datetime) -> None:
    """Have those copied that are not elsewhere yet, whether or not there was an elsewhere when they were made.

    Those never tried first, then those tried longest ago: one that cannot be copied holds up none.
    """
    if store() is None:
        return
    done = Backup.objects.filter(state=State.COMPLETED)
    due = (
        Q(remote_tried_at=None) | Q(remote_tried_at__lt=now - AGAIN) | Q(remote_tried_at__gt=now)
    )  # or a clock set back
    rows = done.exclude(remote=Remote.STORED).filter(due).order_by(F("remote_tried_at").asc(nulls_first=True), "-id")
    for row in rows[: max(0, MOST - done.filter(leased_until__gt=now).count())]:
        there = row.remote != Remote.NONE or row.path.is_file()  # not of a host that was lost with what it alone had
        fields = {"remote": Remote.WAITING} if there and row.remote == Remote.NONE else {}
        Backup.objects.filter(pk=row.pk, remote=row.remote).update(remote_tried_at=now, **fields)
        if there:
            wake.wake(wake.COPY, row.pk)


def copy(backup_id: str) -> None:
    """Copy one, and read it back. Safe to call at any time."""
    row = Backup.objects.filter(pk=backup_id, state=State.COMPLETED, remote__in=(Remote.WAITING, Remote.FAILED)).first()
    to = store()
    if row is None or to is None:
        return
    lease = acquire(row)
    if lease is None:
        return
    with kept(lease):
        fields = {"remote": Remote.STORED, "remote_error": ""}
        try:
            with row.path.open("rb") as file:
                to.put(name_of(row), file)
            to.put(f"{name_of(row)}.json", BytesIO(json.dumps(row.manifest).encode()))
            with _got(to, row) as file:
                sealing.verify(file, row.digest)
        except (PlatformError, OSError) as error:
            log.warning("backup_not_copied", backup=row.pk, error=str(error))
            fields = {"remote": Remote.FAILED, "remote_error": str(error)[:300]}
        try:
            lease.check()
        except LeaseLost:
            return
        with transaction.atomic():
            if fields["remote"] == Remote.FAILED and row.remote != Remote.FAILED:
                _tell_failed(row, fields["remote_error"])
            Backup.objects.filter(pk=row.pk, **lease.where).update(**fields)
    wake.changed(row.pod_id)


def _tell_failed(row: Backup, error: str) -> None:
    """Each is told of on its page; a team, of the first that cannot be copied until all of the resource's are."""
    wake.tell(row.pod_id, row.name, f"The backup {row.file} is here, and could not be copied: {error}", level="warn")
    same = Backup.objects.filter(pod=row.pod_id, name=row.name, kind=row.kind, state=State.COMPLETED)
    if not same.filter(remote=Remote.FAILED).exists():
        words = f"A backup of {row.name} of {row.pod} is on the platform's host alone, and could not be copied: {error}"
        announcing.backup("backup.copy_failed", row, words, error=error)


def opened(backup: Backup) -> IO[bytes]:
    """The file of `backup`: the local one, else its copy. Raises PlatformError("backup_gone" | "object_store_away")."""
    if backup.path.is_file():
        return backup.path.open("rb")
    to = store()
    if to is not None and backup.remote == Remote.STORED:
        return _got(to, backup)
    raise _gone(backup)


def forget(backup: Backup) -> None:
    """Raises Unavailable where the store is away: to be asked again."""
    to = store()
    if to is not None and backup.remote in (Remote.STORED, Remote.FAILED, Remote.WAITING):
        for name in (name_of(backup), f"{name_of(backup)}.json"):
            to.delete(name)


def forget_pod(pod_id: str) -> None:
    """Everything of a pod that is gone."""
    to = store()
    if to is not None:
        for found in list(to.objects(pod_id)):
            to.delete(found.name)


def wanted() -> str:
    """What a new backup's `remote` begins with."""
    return Remote.WAITING if settings.BRAINPOD.backups_url else Remote.NONE


def name_of(backup: Backup) -> str:
    return f"{backup.pod_id}/{backup.file}"


def _got(to: objects.Objects, backup: Backup) -> IO[bytes]:
    found = to.get(name_of(backup))
    if found is None:
        raise _gone(backup)
    return found


def _gone(backup: Backup) -> PlatformError:
    return PlatformError("backup_gone", f"The file of {backup} is gone.", "Use another backup.")
