"""What the pages of backups show."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Max, Model, QuerySet
from django.utils import timezone

from apps.backups import pinned, places
from apps.backups.lacking import OFTEN_CACHES, YOUNG
from apps.backups.models import OPEN, Backup, BackupPlan, Purpose, Restore, State
from apps.backups.sealing import BLOCK, Readable
from apps.pods.models import Pod

SHOWN = 50  # backups of one resource; plans keep fewer
RowT = TypeVar("RowT", bound=Model)


@dataclass(frozen=True, slots=True)
class Card:
    """How a resource stands. `last`: the newest backup that is there; `proven_at`: when one was last restored.

    `alarm`: what is wrong, in words; empty if nothing is.
    """

    name: str
    kind: str
    plan: BackupPlan | None
    last: Backup | None
    under_way: Backup | None
    proven_at: datetime.datetime | None
    alarm: str


def cards(pod: Pod) -> list[Card]:
    return _cards(pod, places.kept(pod))


def card_of(pod: Pod, name: str) -> Card | None:
    """None for what is not live, or cannot be backed up."""
    kind = places.kept(pod).get(name)
    return _cards(pod, {name: kind})[0] if kind else None


def _cards(pod: Pod, kinds: Mapping[str, str]) -> list[Card]:
    """Of the resources in `kinds`, with as many queries for many as for one."""
    rows = Backup.objects.filter(pod=pod, name__in=kinds)
    drills = Restore.objects.filter(pod=pod, target__in=kinds, purpose=Purpose.DRILL).exclude(state__in=OPEN)
    plans = {plan.name: plan for plan in BackupPlan.objects.filter(pod=pod, name__in=kinds)}
    by = ("name", "kind")
    last, newest = _newest(rows.filter(state=State.COMPLETED), *by), _newest(rows.exclude(state__in=OPEN), *by)
    drilled, open_ = _newest(drills, "target", "backup__kind"), _newest(rows.filter(state__in=OPEN), *by)
    proven = {it[:2]: it[2] for it in rows.order_by().values_list(*by).annotate(Max("proven_at"))}
    pinned_rows = set(rows.filter(pinned=True).order_by().values_list(*by).distinct())
    found = []
    for one in sorted(kinds.items()):
        name, kind = one
        plan = plans.get(name)
        if plan is not None and plan.kind not in (kind, ""):
            plan = None  # of what was called so before
        alarm = _alarm(
            pod, plan, last.get(one), newest.get(one), drilled.get(one), missed=kind not in OFTEN_CACHES,
            kept_back=one in pinned_rows,
        )  # fmt: skip
        found.append(Card(name, kind, plan, last.get(one), open_.get(one), proven.get(one), alarm))
    return found


def _newest(rows: QuerySet[RowT], *by: str) -> dict[tuple[str, ...], RowT]:
    """The newest of `rows` for each of the values that the fields `by` have together."""
    newest = rows.order_by().values(*by).annotate(newest=Max("pk"))
    of = {one["newest"]: tuple(one[field] for field in by) for one in newest}
    return {of[row.pk]: row for row in rows.model._default_manager.filter(pk__in=of)}


def _alarm(
    pod: Pod,
    plan: BackupPlan | None,
    last: Backup | None,
    newest: Backup | None,
    drill: Restore | None,
    *,
    missed: bool,
    kept_back: bool,
) -> str:
    """`missed`: whether having no backup at all is wrong."""
    if kept_back:
        return f"{pinned.WORDS}. Restore a backup that was made before, or say that it is there."
    if newest is not None and newest.state == State.FAILED:
        return f"The last backup failed: {newest.error}"
    if plan is not None and plan.overdue_since:
        return "A backup is overdue."
    if last is None and plan is None:
        return "There is no backup, and no plan that makes one." if missed and _settled(pod) else ""
    if drill is not None and drill.state == State.FAILED:
        return f"The last drill failed: {drill.error}"
    return ""


def _settled(pod: Pod) -> bool:
    return bool(pod.live and pod.live.sealed_at and pod.live.sealed_at < timezone.now() - YOUNG)


def gone(pod: Pod) -> list[Backup]:
    """The newest backup of each name that is not live any more, or is that of something of another kind."""
    rows, live = Backup.objects.filter(pod=pod, state=State.COMPLETED), places.kept(pod)
    found = _newest(rows, "name", "kind")
    return [found[one] for one in sorted(found) if live.get(one[0]) != one[1]]


def list_context(pod: Pod, name: str) -> dict[str, Any]:
    """The page of one resource; what is not live any more has its backups still."""
    backups = Backup.objects.filter(pod=pod, name=name).select_related("actor")
    return {
        "name": name,
        "backup": card_of(pod, name),
        "backups": list(backups[:SHOWN]),
        "pinned": backups.filter(pinned=True).exists(),
        "remote": bool(settings.BRAINPOD.backups_url),
    }


def backup_context(pod: Pod, backup: Backup) -> dict[str, Any]:
    """The page of one backup: what is in it, what was restored of it, and what it may be restored into."""
    rows = backup.manifest.get("rows", {})
    return {
        "row": backup,
        "tables": sorted(rows.items()),
        "restores": list(backup.restores.select_related("actor", "pod")[:SHOWN]),
        "targets": sorted(name for name, kind in places.kept(pod).items() if kind == backup.kind),
        "opens_as": backup.file.removesuffix(".zst.age"),
    }


def content(plain: Readable) -> Iterator[bytes]:
    while block := plain.read(BLOCK):
        yield block
