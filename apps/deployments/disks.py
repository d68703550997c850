"""Disks: those there are and how they are removed; and how full they are, measured by the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from apps import engines
from apps.deployments import feed
from apps.deployments.disk_paths import disk_path
from apps.deployments.duties import duty
from apps.deployments.events import changed
from apps.deployments.models import AppEvent
from apps.metrics import disks
from apps.metrics.models import DiskUsage
from apps.pods.contents import disks_used, size_of
from apps.pods.models import Pod, Resource, Revision

EACH = 20.0  # seconds one disk may take
ALL = 120.0  # and a round; those it did not come to are first in the next

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Disk:
    """`size` in GB, as the live revision has it."""

    pod: Pod
    name: str
    size: int


def kept(pod_id: str) -> list[Path]:
    """The directories of all the disks a pod has had here: one on other machines has an empty one."""
    root = disk_path(pod_id, "")
    return sorted(root.iterdir()) if root.is_dir() else []


def discard(pod_id: str, disk: Path) -> None:
    """Remove what the pod's engines keep of it on other machines. Raises PlatformError: to be tried again."""
    ran = {name or engines.default() for name in Revision.objects.filter(pod=pod_id).values_list("engine", flat=True)}
    for name in ran & set(engines.offered()):
        if engines.named(name).disks == "elsewhere":
            engines.named(name).discard(str(disk))


def live_disks() -> Iterator[Disk]:
    pods = Pod.objects.exclude(live=None).filter(deleting_at=None).select_related("team")
    by_revision = {pod.live_id: pod for pod in pods}
    for resource in Resource.objects.filter(kind="Disk", revision__in=list(by_revision)).order_by("id"):
        yield Disk(by_revision[resource.revision_id], resource.name, size_of(resource))


def measure_all() -> None:
    """Those that were measured longest ago first. What is on other hosts is not known here."""
    with duty("disks") as lease:
        if lease is None:
            return
        wanted = {(disk.pod.pk, disk.name): disk for disk in live_disks()}
        known = {(usage.pod, usage.disk): usage for usage in DiskUsage.objects.all()}
        gone = [usage.pk for key, usage in known.items() if key not in wanted]
        DiskUsage.objects.filter(pk__in=gone).delete()
        deadline = time.monotonic() + ALL
        for key in sorted(wanted, key=lambda key: known[key].measured_at.timestamp() if key in known else 0.0):
            lease.check()
            if time.monotonic() > deadline:
                return
            _measure(wanted[key], known.get(key))


def measure(pod: Pod, name: str, size: int) -> None:
    """The one disk `name` of `size` GB, now."""
    _measure(Disk(pod, name, size), DiskUsage.objects.filter(pod=pod.pk, disk=name).first())


def _tell(disk: Disk, now: disks.Gauge) -> None:
    """On its own feed, and on that of each app or database that has it, once."""
    words = {
        "full": f"The disk {disk.name} is over its size of {disk.size} GB. Make room, or give it a larger size.",
        "nearly": f"The disk {disk.name} is {now.percent} % full: make room, or give it a larger size.",
        "warning": f"The disk {disk.name} is {now.percent} % full.",
        "": f"The disk {disk.name} has room again: {now.percent} % are used.",
    }
    levels: dict[str, feed.Level] = {"full": "error", "nearly": "error", "warning": "warn", "": "info"}
    AppEvent.objects.create(pod=disk.pod, app=disk.name, kind="disk", level=levels[now.level], words=words[now.level])
    told: set[str] = set()
    for workload in disk.pod.workloads.filter(serving=True, stopped_at=None).select_related("revision"):
        runs = workload.revision.resources.filter(name=workload.app).first()
        if workload.app not in told and runs and disk.name in disks_used(runs):
            told.add(workload.app)
            feed.tell(workload, "disk", words[now.level], level=levels[now.level])


def _measure(disk: Disk, before: DiskUsage | None) -> None:
    path = disk_path(disk.pod.pk, disk.name)
    if not path.is_dir():
        return
    size = disk.size * disks.GB
    old = disks.Gauge(before, size).level if before else ""
    now = disks.Gauge(disks.keep(disk.pod.pk, disk.name, disks.count(path, EACH)), size)
    if now.level != old:
        write = log.warning if now.level else log.info
        write("disk_level", pod=disk.pod.name, disk=disk.name, level=now.level or "fine", percent=now.percent)
        _tell(disk, now)
    if before is None or disks.Gauge(before, size).percent != now.percent:
        changed(disk.pod.pk)
