"""What people do with backups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from apps.audit import trail
from apps.backups import pinned, places, retention, wake
from apps.backups.models import OPEN, Backup, BackupPlan, Purpose, Restore, State, Trigger
from apps.core.errors import Conflict, Detail, Invalid, NotFound
from apps.core.schedules import Schedule
from apps.pods.models import Pod

if TYPE_CHECKING:
    from apps.accounts.models import User

MOST_KEPT = 1000  # of each number of a plan


@transaction.atomic
def back_up(*, pod: Pod, name: str, by: User | None, trigger: str = Trigger.MANUAL) -> Backup:
    """Have a backup made soon. Raises NotFound, Conflict("pod_deleting" | "backup_under_way")."""
    kind = _kind(pod, name)
    if Backup.objects.filter(pod=pod, name=name, state__in=OPEN).exists():
        raise Conflict("backup_under_way", f"A backup of {name} is being made.", "Wait until it is there.")
    made = Backup.objects.create(pod=pod, name=name, kind=kind, trigger=trigger, actor=by)
    trail.note("backup.make", by=by, about=pod, part=name, trigger=trigger)
    wake.changed(pod.pk)
    wake.wake(wake.BACK_UP, made.pk)
    return made


@transaction.atomic
def set_plan(
    *, pod: Pod, name: str, schedule: str, zone: str, last: int, days: int, weeks: int, drills: bool, by: User | None
) -> BackupPlan:
    """Raises Invalid naming the field, NotFound, Conflict("pod_deleting")."""
    kind = _kind(pod, name)
    due = Schedule(schedule.strip(), zone.strip() or "UTC")
    try:
        due.check()
    except Invalid as error:
        named = {"timeZone": "zone"}
        raise Invalid([Detail(named.get(it.path, it.path), it.message) for it in error.details]) from None
    for field, number in (("last", last), ("days", days), ("weeks", weeks)):
        if not 0 <= number <= MOST_KEPT:
            raise Invalid([Detail(field, f"must be a number from 0 to {MOST_KEPT}.")])
    if not (last or days or weeks):
        raise Invalid([Detail("last", "must be 1 at least: a plan keeps something.")])
    wanted = {
        "kind": kind, "schedule": due.line, "zone": due.zone, "keep_last": last, "keep_days": days, "keep_weeks": weeks,
        "drills": drills, "next_at": due.after(timezone.now()), "overdue_since": None,
    }  # fmt: skip
    BackupPlan.objects.filter(pod=pod, name=name).exclude(kind__in=(kind, "")).delete()  # of what was called so before
    plan, _ = BackupPlan.objects.update_or_create(pod=pod, name=name, defaults=wanted)
    trail.note("backup.plan", by=by, about=pod, part=name, schedule=due.line)
    wake.tell(pod.pk, name, f"Backups are made {due.words}", by=by)
    return plan


@transaction.atomic
def drop_plan(*, pod: Pod, name: str, by: User | None) -> None:
    """What was backed up stays. Raises NotFound."""
    if not BackupPlan.objects.filter(pod=pod, name=name).delete()[0]:
        raise NotFound(f"backup plan of {name}")
    trail.note("backup.plan_end", by=by, about=pod, part=name)
    wake.tell(pod.pk, name, "Its backups are no longer made by plan", level="warn", by=by)


@transaction.atomic
def restore(*, backup: Backup, target: str, confirmation: str, by: User | None) -> Restore:
    """Have `target` become what `backup` is. Raises Invalid, NotFound, Conflict."""
    _ready(backup)
    pod = backup.pod
    if _kind(pod, target) != backup.kind:
        raise Invalid([Detail("target", f"must be a {backup.kind_title}, as {backup.name} was.")])
    if confirmation.strip() != target:
        raise Invalid([Detail("confirmation", f"must be its name, {target}: what is in it is replaced.")])
    _alone(pod, target)
    made = Restore.objects.create(pod=pod, backup=backup, target=target, actor=by)
    trail.note("backup.restore", by=by, about=backup, name=pod.name, part=target, file=backup.file)
    wake.tell(pod.pk, target, f"The backup {backup.file} is being restored", by=by)
    wake.wake(wake.RESTORE, made.pk)
    return made


@transaction.atomic
def drill(*, backup: Backup, by: User | None) -> Restore:
    """Have it proven that `backup` can be restored. Raises NotFound, Conflict."""
    _ready(backup)
    if _kind(backup.pod, backup.name) != backup.kind:
        raise NotFound(f"{backup.kind_title} {backup.name} in what is live")
    _alone(backup.pod, backup.name)
    made = Restore.objects.create(
        pod=backup.pod, backup=backup, target=backup.name, purpose=Purpose.DRILL, actor=by
    )  # fmt: skip
    trail.note("backup.drill", by=by, about=backup, name=backup.pod.name, part=backup.name, file=backup.file)
    wake.changed(backup.pod_id)
    wake.wake(wake.RESTORE, made.pk)
    return made


@transaction.atomic
def seed(*, pod: Pod, name: str, kind: str, by: User | None) -> Restore | None:
    """A restore of the newest backup of the parent's database `name`, which is a `kind`, into that of `pod`, its child.

    The caller has it done (apps.backups.seeding). None where the parent has no backup of it.
    """
    parent = pod.parent
    backup = newest(parent, name, kind) if parent else None
    if parent is None or backup is None:
        return None
    made = Restore.objects.create(pod=pod, backup=backup, target=name, purpose=Purpose.SEED, actor=by)
    trail.note("backup.seed", by=by, about=backup, name=parent.name, part=name, file=backup.file, into=pod.name)
    wake.tell(pod.pk, name, f"It is being filled from the backup {backup.file} of {parent}", by=by)
    return made


def newest(pod: Pod, name: str, kind: str) -> Backup | None:
    """The last that was completed of the database `name`."""
    rows = Backup.objects.filter(pod=pod, name=name, kind=kind, state=State.COMPLETED)
    return rows.order_by("-finished_at").first()


@transaction.atomic
def delete(*, backup: Backup, by: User | None) -> None:
    """Its file and its copy too. Raises Conflict("backup_in_use")."""
    if backup.is_open or backup.restores.filter(state__in=OPEN).exists():
        raise Conflict("backup_in_use", f"{backup} is being worked with.", "Wait until that is over.")
    trail.note("backup.delete", by=by, about=backup, name=backup.pod.name, part=backup.name, file=backup.file)
    wake.tell(backup.pod_id, backup.name, f"The backup {backup.file or 'that failed'} was deleted", level="warn", by=by)
    retention.discard(backup)


@transaction.atomic
def release(*, pod: Pod, name: str, by: User | None) -> None:
    """What it holds is there, whatever was restored: plans may forget what was backed up before. Raises NotFound."""
    if not pinned.release(pod.pk, name):
        raise NotFound(f"backup of {name} that is pinned")
    trail.note("backup.release", by=by, about=pod, part=name)
    wake.tell(pod.pk, name, "Its data is there: plans may forget what was backed up before the restore", by=by)


@transaction.atomic
def downloaded(*, backup: Backup, by: User | None) -> None:
    """Write down that somebody was given what is in `backup`. Raises Conflict("backup_not_there")."""
    _ready(backup)
    trail.note("backup.download", by=by, about=backup, name=backup.pod.name, part=backup.name, file=backup.file)
    wake.tell(backup.pod_id, backup.name, f"The backup {backup.file} was downloaded", by=by)


def _ready(backup: Backup) -> None:
    if backup.state != State.COMPLETED:
        raise Conflict("backup_not_there", f"{backup} is not there.", "Choose one that is completed.")


def _kind(pod: Pod, name: str) -> str:
    if pod.deleting_at:
        raise Conflict("pod_deleting", f"{pod.name} is being deleted.", "Nothing in it can be changed any more.")
    found = places.kept(pod).get(name)
    if found is None:
        raise NotFound(f"database or disk {name} in what is live")
    return found


def _alone(pod: Pod, target: str) -> None:
    if Restore.objects.filter(pod=pod, target=target, state__in=OPEN).exists():
        raise Conflict("restore_under_way", f"A backup is being restored into {target}.", "Wait until that is over.")
