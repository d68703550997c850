"""What was backed up before the platform was restored from a backup of itself.

What is on disks is not in that backup, and nobody here can tell whether it is there: plans go on, and back up what is
found. So they forget none of what was there before, until a backup is restored into its place or somebody says that
the data is there.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from apps.backups import places, wake
from apps.backups.models import Backup, State
from apps.backups.platform import restored
from apps.pods.models import Pod

WORDS = "The platform was restored from a backup of itself, which has no data: look whether what was in it is there"


def take_up() -> None:
    """Once, before the first round after a restore: hold what is backed up, and tell it of everything that could be."""
    if not restored.waits():
        return
    with transaction.atomic():
        Backup.objects.filter(state=State.COMPLETED).update(pinned=True)
        for pod in Pod.objects.filter(deleting_at=None).exclude(live=None).select_related("live"):
            for name in places.kept(pod):
                wake.tell(pod.pk, name, WORDS, level="error")
    restored.seen()


def release(pod_id: str, name: str, kind: str | None = None) -> int:
    """How many plans may forget again."""
    rows = Backup.objects.filter(pod=pod_id, name=name, pinned=True)
    return (rows.filter(kind=kind) if kind else rows).update(pinned=False)


def everything() -> Iterable[tuple[str, str]]:
    """The pods and names whose data may not have come back."""
    return Backup.objects.filter(pinned=True).order_by("pod__name", "name").values_list("pod__name", "name").distinct()


def alarm() -> str:
    """In words for operators; empty if there is none of them."""
    count = len(list(everything()))
    what = "a database or disk" if count == 1 else f"{count} databases and disks"
    return f"The platform was restored from a backup of itself; the data of {what} may be missing." if count else ""
