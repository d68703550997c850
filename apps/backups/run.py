"""One backup, from its lease to its last word."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from apps.backups import announcing, keys, places, remote, retention, sealing, wake
from apps.backups.kinds import KINDS
from apps.backups.models import MOVES, Backup, BackupPlan, Restore, State, directory
from apps.core import room
from apps.core.errors import PlatformError, UserError
from apps.core.failpoints import failpoint
from apps.core.leases import Lease, LeaseLost, acquire, kept
from apps.core.states import move

log = structlog.get_logger(__name__)
MOST = 2  # backups and restores at once: each is a program, and takes a worker
FORMAT = 1


def free() -> int:
    """How many more may begin."""
    going = sum(model.objects.filter(state=State.IN_PROGRESS).count() for model in (Backup, Restore))
    return max(0, MOST - going)


def run(backup_id: str) -> None:
    """Make a backup that waits, if nobody else does and there is room. Safe to call at any time."""
    row = Backup.objects.select_related("pod__live").filter(pk=backup_id, state=State.PENDING).first()
    if row is None or row.pod.deleting_at or not free():
        return
    lease = acquire(row, state=State.PENDING)
    if lease is None:
        return
    with kept(lease):
        now = timezone.now()
        if not move(
            row, State.IN_PROGRESS, table=MOVES, where=lease.where, started_at=now, file=row.file_name(now),
            remote=remote.wanted(),
        ):  # fmt: skip
            return
        wake.changed(row.pod_id)
        try:
            _work(row, lease)
        except LeaseLost:
            log.info("lease_lost", backup=row.pk)


def _work(row: Backup, lease: Lease) -> None:
    try:
        made = _made(row, lease)
    except (UserError, PlatformError) as error:
        log.warning("backup_failed", backup=row.pk, error=str(error), error_id=getattr(error, "id", ""))
        fail(row, str(error), where=lease.where)
        return
    except LeaseLost:
        retention.remove_files(row)
        raise
    except Exception:
        log.exception("backup_failed", backup=row.pk)
        fail(row, "Something went wrong here; the platform's log has it.", where=lease.where)
        return
    with transaction.atomic():
        if not move(row, State.COMPLETED, table=MOVES, where=lease.where, finished_at=timezone.now(), **made):
            raise LeaseLost
        BackupPlan.objects.filter(pod=row.pod_id, name=row.name, kind=row.kind).update(overdue_since=None)
        wake.changed(row.pod_id)
        if row.remote:
            wake.wake(wake.COPY, row.pk)
        announcing.backup("backup.success", row, f"A backup of {row.name} of {row.pod} was made.")
    log.info("backup_completed", backup=row.pk, size=row.size, seconds=row.seconds)


def _made(row: Backup, lease: Lease) -> dict[str, Any]:
    """The file and its manifest; what the row says of them."""
    room.check()
    places.check(row.pod, row.name, row.kind)
    at = places.at(row.pod, row.name)
    recipients = keys.recipients()
    made = directory(row.pod_id)
    made.mkdir(parents=True, exist_ok=True, mode=0o700)
    with KINDS[row.kind].dump(at) as dump:
        # The name says what is in it once it is opened.
        file = f"{row.file}.{dump.extension}.zst.age"
        if not Backup.objects.filter(pk=row.pk, **lease.where).update(file=file):
            raise LeaseLost
        row.file = file
        with sealing.sealing(dump, row.path, recipients, check=lease.check) as sealed:
            rows = dump.finish()
            failpoint("backup.sealed", row.pod_id)
            manifest = {
                "format": FORMAT, "name": row.name, "kind": row.kind, "version": at.version, "pod": row.pod.name,
                "at": row.started_at.isoformat() if row.started_at else "", "size": sealed.size, "raw": sealed.raw,
                "sha256": sealed.digest, "rows": {name: list(pair) for name, pair in rows.items()},
            }  # fmt: skip
            _write(row.path.with_name(row.file + retention.MANIFEST), manifest)
            lease.check()
    return {"size": sealed.size, "raw_size": sealed.raw, "digest": sealed.digest, "manifest": manifest}


def fail(row: Backup, words: str, *, where: dict[str, Any], **fields: Any) -> bool:
    """Nothing of its file is left, and it is told."""
    with transaction.atomic():
        error = {"error": words[:500], "finished_at": timezone.now(), "remote": "", **fields}
        if not move(row, State.FAILED, table=MOVES, where=where, **error):
            return False
        retention.remove_files(row)
        wake.tell(row.pod_id, row.name, f"A backup failed: {words}", level="error")
        told = f"A backup of {row.name} of {row.pod} failed: {words}"
        announcing.backup("backup.failed", row, told, error=row.error)
    return True


def _write(path: Path, manifest: dict[str, Any]) -> None:
    part = path.with_name(path.name + sealing.PART)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
