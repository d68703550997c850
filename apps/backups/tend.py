"""What is due is begun, what was interrupted is said, what is overdue alarms: every few seconds."""

from __future__ import annotations

import datetime
from pathlib import Path

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.backups import actions, announcing, gone, lacking, pinned, places, remote, restoring, retention, run, wake
from apps.backups.models import OPEN, Backup, BackupPlan, Purpose, Restore, State, Trigger
from apps.backups.platform import kept, restored, telling
from apps.core.errors import PlatformError, UserError
from apps.deployments.duties import duty

log = structlog.get_logger(__name__)
INTERRUPTED = "Interrupted: what made it was ended."
LATE = datetime.timedelta(hours=1)  # after which a backup that was due and is not there is overdue
PROVEN = datetime.timedelta(days=7)  # between two drills
AGAIN = datetime.timedelta(hours=20)  # after one that failed
WAITS = datetime.timedelta(hours=1)  # for a backup that nobody comes to


def tend() -> None:
    """One pass; nothing while another process is at it, or where nothing was ever backed up."""
    if not _any():
        return
    with duty("backups") as lease:
        if lease is None:
            return
        pinned.take_up()
        now = timezone.now()
        for plan in BackupPlan.objects.filter(pod__deleting_at=None).select_related("pod__live"):
            lease.check()
            try:
                _adopt(plan)
                _plan(plan, now)
            except (PlatformError, UserError) as error:
                log.info("backup_plan_waits", plan=plan.pk, error=str(error))
        _interrupted()
        if kept.due(now):
            wake.wake(wake.PLATFORM)
        telling.tend(now)
        _wake(now)
        remote.tend(now)
        lacking.tend(now)
        gone.forget()


def _any() -> bool:
    if (
        lacking.due()
        or restored.waits()
        or settings.BRAINPOD.backups_platform
        or (Path(settings.BRAINPOD.state) / "backups").is_dir()
    ):
        return True
    return BackupPlan.objects.exists() or Backup.objects.exists()


def _adopt(plan: BackupPlan) -> None:
    """A plan of a version that knew names alone went on with whatever was called so."""
    if not plan.kind and (kind := places.kept(plan.pod).get(plan.name)):
        plan.kind = kind
        BackupPlan.objects.filter(pk=plan.pk, kind="").update(kind=kind)


def _live(plan: BackupPlan) -> bool:
    return places.kept(plan.pod).get(plan.name) == plan.kind


def _plan(plan: BackupPlan, now: datetime.datetime) -> None:
    if plan.next_at <= now:
        following = plan.due.after(now) or now + datetime.timedelta(days=366)
        with transaction.atomic():
            if BackupPlan.objects.filter(pk=plan.pk, next_at=plan.next_at).update(next_at=following):
                _begin(plan)
        retention.apply(plan, now)
    elif (sooner := plan.due.after(now)) and sooner < plan.next_at:  # it was planned before the clock was set back
        BackupPlan.objects.filter(pk=plan.pk, next_at=plan.next_at).update(next_at=sooner)
    _alarm(plan, now)
    _drill(plan, now)


def _begin(plan: BackupPlan) -> None:
    """Of what is not live (any more), and while one is being made, nothing."""
    if _live(plan) and not _open(plan):
        actions.back_up(pod=plan.pod, name=plan.name, by=None, trigger=Trigger.SCHEDULE)


def _open(plan: BackupPlan) -> bool:
    return Backup.objects.filter(pod=plan.pod_id, name=plan.name, state__in=OPEN).exists()


def overdue(plan: BackupPlan, now: datetime.datetime) -> bool:
    """Whether a backup was due more than LATE ago, and none was completed since."""
    done = Backup.objects.filter(pod=plan.pod_id, name=plan.name, kind=plan.kind, state=State.COMPLETED)
    newest = done.order_by("-finished_at").values_list("finished_at", flat=True).first()
    due = plan.due.after(max(filter(None, (newest, plan.created_at))))
    return due is not None and due + LATE < now


def _alarm(plan: BackupPlan, now: datetime.datetime) -> None:
    late = _live(plan) and overdue(plan, now)
    with transaction.atomic():
        if late and BackupPlan.objects.filter(pk=plan.pk, overdue_since=None).update(overdue_since=now):
            wake.tell(plan.pod_id, plan.name, "Its backup is overdue", level="error")
            announcing.resource(
                "backup.overdue", pod_id=plan.pod_id, pod_name=plan.pod.name, name=plan.name,
                words=f"The backup of {plan.name} of {plan.pod} is overdue.", schedule=plan.schedule,
            )  # fmt: skip
    if not late and plan.overdue_since:
        BackupPlan.objects.filter(pk=plan.pk).update(overdue_since=None)


def _drill(plan: BackupPlan, now: datetime.datetime) -> None:
    if not plan.drills or not _live(plan):
        return
    drills = Restore.objects.filter(pod=plan.pod_id, target=plan.name, purpose=Purpose.DRILL)
    mine = drills.filter(backup__kind=plan.kind)
    last = mine.order_by("-id").first()
    if last is not None and last.created_at > now - (AGAIN if last.state == State.FAILED else PROVEN):
        return
    newest = actions.newest(plan.pod, plan.name, plan.kind)
    busy = Restore.objects.filter(pod=plan.pod_id, target=plan.name, state__in=OPEN).exists()
    if newest is not None and not busy:
        actions.drill(backup=newest, by=None)


def _interrupted() -> None:
    """Record the end of what lost its worker, and remove what it left."""
    for backup in Backup.objects.filter(state=State.IN_PROGRESS):
        if not backup.held:
            fence = {"fence": backup.fence + 1, "leased_until": None}
            run.fail(backup, INTERRUPTED, where={"fence": backup.fence}, **fence)
    rows = Restore.objects.select_related("pod__live", "backup__pod")
    for row in rows.filter(state=State.IN_PROGRESS):
        if not row.held:
            fence = {"fence": row.fence + 1, "leased_until": None}
            restoring.fail(row, f"{INTERRUPTED} It was at: {row.step}.", where={"fence": row.fence}, **fence)
    for row in rows.filter(cleaned=False).exclude(state__in=OPEN):
        restoring.clean(row)


def _wake(now: datetime.datetime) -> None:
    late = Backup.objects.filter(state=State.PENDING, created_at__lt=now - WAITS)
    for backup in late:
        run.fail(backup, "No worker came to it.", where={"state": State.PENDING})
    if run.free():
        for restore in Restore.objects.filter(state=State.PENDING).order_by("id")[: run.MOST]:
            wake.wake(wake.RESTORE, restore.pk)
        for backup in Backup.objects.filter(state=State.PENDING).order_by("id")[: run.MOST]:
            wake.wake(wake.BACK_UP, backup.pk)
