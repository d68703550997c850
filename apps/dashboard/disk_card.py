"""What the page of a disk shows of it: its snapshots, what was done with its files, and where it cannot be reached."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q

from apps.core.errors import UserError
from apps.disks.models import OPEN, DiskAction, Restore, Snapshot
from apps.disks.places import Disk, disk_of
from apps.pods.models import Pod, Resource

ACTIONS = 20  # the newest


@dataclass(frozen=True, slots=True)
class Card:
    """`disk`: None where the platform cannot look, and `why` says so. `restores`: under way, or failed last."""

    disk: Disk | None
    why: str
    snapshots: list[Snapshot]
    restores: list[Restore]
    actions: list[DiskAction]
    kept: int
    days: int

    @property
    def total(self) -> int:
        return sum(snapshot.size for snapshot in self.snapshots)


def disk_card(pod: Pod, live: Resource | None) -> Card | None:
    """None for what is no disk, or not deployed."""
    if live is None or live.kind != "Disk":
        return None
    try:
        disk, why = disk_of(pod, live.name), ""
    except UserError as error:
        disk, why = None, str(error)
    config = settings.BRAINPOD
    snapshots = list(Snapshot.objects.filter(pod=pod, disk=live.name).select_related("actor"))
    restores = Restore.objects.filter(Q(disk=live.name) | Q(target=live.name), pod=pod).select_related("actor")
    return Card(
        disk=disk,
        why=why,
        snapshots=snapshots,
        restores=[row for row in restores.order_by("-id")[:5] if row.state in OPEN or row.state == "failed"][:1],
        actions=list(DiskAction.objects.filter(pod=pod, disk=live.name)[:ACTIONS]),
        kept=config.snapshot_kept,
        days=config.snapshot_days,
    )
