"""Which backups stay, and how one goes."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from apps.backups import remote
from apps.backups.models import Backup, BackupPlan, State
from apps.backups.sealing import PART

FAILED_KEPT = 10  # notes of backups that failed
MANIFEST = ".json"  # what the manifest beside a backup is called: the same and this


def apply(plan: BackupPlan, now: datetime.datetime) -> None:
    """Forget what `plan` keeps no longer. What people asked for counts like the rest; what is pinned, not at all."""
    mine = Backup.objects.filter(pod=plan.pod_id, name=plan.name, kind=plan.kind, pinned=False)
    done = list(mine.filter(state=State.COMPLETED).order_by("-finished_at"))
    stay = kept([(row.pk, row.finished_at) for row in done if row.finished_at], plan, now)
    for row in done:
        if row.pk not in stay and not row.restores.filter(state__in=("pending", "in_progress")).exists():
            discard(row)
    for row in mine.filter(state=State.FAILED).order_by("-id")[FAILED_KEPT:]:
        discard(row)


def kept(done: Sequence[tuple[str, datetime.datetime]], plan: BackupPlan, now: datetime.datetime) -> set[str]:
    """`done`: ids and moments, the newest first. The newest stays in any case."""
    stay = {pk for pk, _ in done[: max(1, plan.keep_last)]}
    since = now - datetime.timedelta(days=plan.keep_days)
    stay |= {pk for pk, moment in done if plan.keep_days and moment >= since}
    weeks: dict[tuple[int, int], str] = {}
    for pk, moment in done:
        weeks.setdefault(moment.isocalendar()[:2], pk)
    return stay | set(list(weeks.values())[: plan.keep_weeks])


def discard(backup: Backup) -> None:
    """The row goes last: what cannot be removed elsewhere now is asked for again."""
    remote.forget(backup)
    remove_files(backup)
    backup.delete()


def remove_files(backup: Backup) -> None:
    if backup.file:
        for name in (backup.file, backup.file + MANIFEST, backup.file + PART):
            backup.path.with_name(name).unlink(missing_ok=True)
