"""One backup loaded: into a scratch beside what is there, counted, and (unless it is a drill) put in its place."""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from apps.backups import announcing, keys, pinned, places, remote, sealing, wake
from apps.backups.kinds import KINDS
from apps.backups.kinds.base import Loaded, differences
from apps.backups.models import MOVES, OPEN, Backup, Purpose, Restore, State
from apps.backups.run import free
from apps.core.errors import PlatformError, UserError
from apps.core.failpoints import failpoint
from apps.core.leases import Lease, LeaseLost, acquire, kept
from apps.core.states import move

log = structlog.get_logger(__name__)
SHOWN = 3  # differences that are named
DONE: dict[str, str] = {Purpose.RESTORE: "The backup {} was restored", Purpose.SEED: "It was filled from the backup {}"}
FAILED: dict[str, str] = {
    Purpose.RESTORE: "A restore failed",
    Purpose.DRILL: "The drill of a backup failed",
    Purpose.SEED: "Filling it from a backup failed",
}


def run(restore_id: str) -> None:
    """Do one that waits, if nobody else does and there is room. Safe to call at any time."""
    rows = Restore.objects.select_related("pod__live", "backup__pod")
    row = rows.filter(pk=restore_id, state=State.PENDING).first()
    if row is None or row.pod.deleting_at or not free():
        return
    lease = acquire(row, state=State.PENDING)
    if lease is None:
        return
    with kept(lease):
        begun = {"started_at": timezone.now(), "cleaned": False}
        if move(row, State.IN_PROGRESS, table=MOVES, where=lease.where, **begun):
            try:
                _work(row, lease)
            except LeaseLost:
                log.info("lease_lost", restore=row.pk)


def _work(row: Restore, lease: Lease) -> None:
    try:
        at = _place(row)
        try:
            _load(row, lease, at)
        finally:
            clean(row, at)
    except (UserError, PlatformError) as error:
        log.warning("restore_failed", restore=row.pk, error=str(error), error_id=getattr(error, "id", ""))
        fail(row, str(error), where=lease.where)
        return
    except LeaseLost:
        raise
    except Exception:
        log.exception("restore_failed", restore=row.pk)
        fail(row, "Something went wrong here; the platform's log has it.", where=lease.where)
        return
    with transaction.atomic():
        now = timezone.now()
        if not move(row, State.COMPLETED, table=MOVES, where=lease.where, finished_at=now, step=""):
            raise LeaseLost
        Backup.objects.filter(pk=row.backup_id).update(proven_at=now)
        if row.purpose == Purpose.RESTORE:
            pinned.release(row.pod_id, row.target, row.backup.kind)
        if words := DONE.get(row.purpose):
            wake.tell(row.pod_id, row.target, words.format(row.backup.file), by=row.actor)
        wake.changed(row.pod_id)


def _place(row: Restore) -> Any:
    if row.purpose == Purpose.SEED:
        return places.coming(row.pod, row.target)
    places.check(row.pod, row.target, row.backup.kind)
    return places.at(row.pod, row.target)


def _load(row: Restore, lease: Lease, at: Any) -> None:
    def step(words: str) -> None:
        lease.check()
        Restore.objects.filter(pk=row.pk, **lease.where).update(step=words)
        wake.changed(row.pod_id)

    backup, kind = row.backup, KINDS[row.backup.kind]
    step("Verifying the file")
    with remote.opened(backup) as file:
        sealing.verify(file, backup.digest)
        file.seek(0)
        step("Making room beside what is there")
        kind.drop(at, row.scratch)
        with sealing.opened(file, keys.identities()) as plain:
            loaded = kind.load(at, plain, row.scratch, step)
    _compare(row, lease, loaded)
    failpoint("restore.loaded", row.pod_id)
    if row.purpose != Purpose.DRILL:
        step("Putting it in the place of what is there")
        kind.swap(at, row.scratch, loaded)


def _compare(row: Restore, lease: Lease, loaded: Loaded) -> None:
    found = {name: list(pair) for name, pair in loaded.rows.items()}
    if not Restore.objects.filter(pk=row.pk, **lease.where).update(rows=found):
        raise LeaseLost
    expected = {name: (least, most) for name, (least, most) in row.backup.manifest.get("rows", {}).items()}
    if said := differences(expected, loaded.rows):
        more = f" and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
        raise PlatformError(
            "backup_differs", f"What was loaded is not what was backed up: {', '.join(said[:SHOWN])}{more}.",
            "What was there is as it was. Use another backup.",
        )  # fmt: skip


def clean(row: Restore, at: Any = None) -> bool:
    """Nothing of its scratch is left; False: to be tried again."""
    try:
        KINDS[row.backup.kind].drop(at or _place(row), row.scratch)
    except (UserError, PlatformError) as error:
        log.info("scratch_waits", restore=row.pk, error=str(error))
        return False
    Restore.objects.filter(pk=row.pk).update(cleaned=True)
    return True


def fail(row: Restore, words: str, *, where: dict[str, Any], **fields: Any) -> bool:
    with transaction.atomic():
        error = {"error": words[:500], "finished_at": timezone.now(), **fields}
        if not move(row, State.FAILED, table=MOVES, where=where, **error):
            return False
        wake.tell(row.pod_id, row.target, f"{FAILED[row.purpose]}: {words}", level="error")
        if row.purpose == Purpose.DRILL:
            _tell_unproven(row, words)
    return True


def _tell_unproven(row: Restore, words: str) -> None:
    """Once, until a drill of the resource goes well again: failed ones are tried every day."""
    drills = Restore.objects.filter(pod=row.pod_id, target=row.target, purpose=Purpose.DRILL)
    ended = drills.filter(backup__kind=row.backup.kind).exclude(state__in=OPEN).exclude(pk=row.pk)
    before = ended.order_by("-id").first()
    if before is None or before.state == State.COMPLETED:
        told = f"A backup of {row.target} of {row.pod} could not be restored for trial: {words}"
        announcing.backup("backup.drill_failed", row.backup, told, error=words)
