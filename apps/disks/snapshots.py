"""What people do with snapshots: take one, put one back, delete one. A worker does it (apps/disks/work.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from apps.core.errors import Conflict, Detail, Invalid, UserError
from apps.core.names import check_name
from apps.deployments import wake
from apps.deployments.events import changed
from apps.disks import audit
from apps.disks.models import OPEN, Restore, Snapshot
from apps.disks.places import Disk
from apps.pods import actions as pods

if TYPE_CHECKING:
    from apps.accounts.models import User

TAKE = "disks.take"
PUT_BACK = "disks.put_back"
WAITING = 3  # of one disk that may wait or be under way


@transaction.atomic
def take(*, disk: Disk, note: str, by: User | None, address: str = "") -> Snapshot:
    """A snapshot of `disk`, soon. Raises Invalid naming `note`, and UserError("snapshots_many")."""
    note = note.strip()
    if len(note) > 200 or not note.isprintable():
        raise Invalid([Detail("note", "must be one line of at most 200 characters.")])
    if Snapshot.objects.filter(pod=disk.pod, disk=disk.name, state__in=OPEN).count() >= WAITING:
        words = f"{WAITING} snapshots of {disk.name} are being taken already."
        raise UserError("snapshots_many", words, "Wait until one of them is there.", status=429)
    made = Snapshot.objects.create(pod=disk.pod, disk=disk.name, note=note, actor=by)
    audit.record(pod=disk.pod, disk=disk.name, by=by, did="Took a snapshot", path=note, address=address)
    changed(disk.pod.pk)
    wake.wake(TAKE, made.pk)
    return made


@transaction.atomic
def put_back(*, disk: Disk, snapshot: Snapshot, keeps: bool, by: User | None, address: str = "") -> Restore:
    """Have the content of `snapshot` on `disk` again, soon. Raises Conflict("snapshot_gone" | "restore_under_way")."""
    _check(snapshot, disk.name)
    made = Restore.objects.create(
        pod=disk.pod, disk=disk.name, snapshot=snapshot, target=disk.name, keeps=keeps, actor=by
    )
    return _asked(disk, made, by, address, f"the snapshot of {snapshot.created_at:%Y-%m-%d %H:%M}")


@transaction.atomic
def put_on_new(*, disk: Disk, snapshot: Snapshot, name: str, by: User, address: str = "") -> Restore:
    """Have the content on a new disk `name`, which is in the draft with this. Raises Invalid naming `name`."""
    check_name(name)
    _check(snapshot, name)
    if (disk.path.parent / name).exists():
        raise Conflict("disk_exists", f"There is a disk {name} with something on it.", "Choose another name.")
    pods.save_resource(pod=disk.pod, kind="Disk", name=name, spec={"size": disk.size}, by=by, create=True)
    made = Restore.objects.create(pod=disk.pod, disk=disk.name, snapshot=snapshot, target=name, keeps=False, actor=by)
    return _asked(disk, made, by, address, f"the snapshot of {snapshot.created_at:%Y-%m-%d %H:%M} onto {name}")


@transaction.atomic
def delete(*, disk: Disk, snapshot: Snapshot, by: User | None, address: str = "") -> None:
    """Raises Conflict("snapshot_busy") while it is being taken or put back."""
    used = snapshot.restores.filter(state__in=OPEN).exists()
    if used or not Snapshot.objects.filter(pk=snapshot.pk).exclude(state__in=OPEN).exists():
        raise Conflict("snapshot_busy", "This snapshot is being taken or put back.", "Delete it when that is over.")
    audit.record(
        pod=disk.pod, disk=disk.name, by=by, did="Deleted a snapshot", path=f"{snapshot.created_at:%Y-%m-%d %H:%M}",
        address=address,
    )  # fmt: skip
    forget(snapshot)
    changed(disk.pod.pk)


def forget(snapshot: Snapshot) -> None:
    """The row first: a row without its file would be offered."""
    file = snapshot.file
    snapshot.delete()
    transaction.on_commit(lambda: file.unlink(missing_ok=True))


def kept() -> int:
    """How many of a disk are kept; the oldest go when there are more."""
    return int(settings.BRAINPOD.snapshot_kept)


def _check(snapshot: Snapshot, target: str) -> None:
    if snapshot.state != "ready":
        raise Conflict("snapshot_gone", "This snapshot is not ready.", "Reload the page to see how it stands.")
    if Restore.objects.filter(pod=snapshot.pod_id, target=target, state__in=OPEN).exists():
        raise Conflict("restore_under_way", f"A snapshot is being put onto {target}.", "Wait until that is over.")


def _asked(disk: Disk, made: Restore, by: User | None, address: str, what: str) -> Restore:
    audit.record(pod=disk.pod, disk=disk.name, by=by, did="Put back", path=what, address=address)
    changed(disk.pod.pk)
    wake.wake(PUT_BACK, made.pk)
    return made
