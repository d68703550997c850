"""How much is on a disk: counted by walking it, kept, and said in words."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from django.utils import timezone

from apps.metrics.models import DiskUsage

BLOCK = 512  # bytes of st_blocks
GB = 1024**3
WARNING, NEARLY, FULL = 80, 95, 100  # percent
REMEMBERED = 100_000  # linked files that are told apart; what is linked beyond them counts each time

Level = Literal["", "warning", "nearly", "full"]


@dataclass(frozen=True, slots=True)
class Occupied:
    """Bytes and entries; not `whole`: at least so many."""

    used: int
    entries: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Gauge:
    """A disk of `size` bytes and what was last found on it."""

    usage: DiskUsage
    size: int

    @property
    def percent(self) -> int:
        return self.usage.used * 100 // self.size

    @property
    def level(self) -> Level:
        if self.percent >= FULL:
            return "full"
        return "nearly" if self.percent >= NEARLY else "warning" if self.percent >= WARNING else ""


def count(path: Path, seconds: float) -> Occupied:
    """Everything beneath `path` on its own file system; follows no link, takes about `seconds` at most."""
    deadline = time.monotonic() + seconds
    used = entries = 0
    whole, linked = True, set[int]()
    device = path.stat().st_dev
    waiting = [os.fspath(path)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as listed:
                for entry in listed:
                    if time.monotonic() > deadline:
                        return Occupied(used, entries, False)
                    info = entry.stat(follow_symlinks=False)
                    if info.st_dev != device or info.st_ino in linked:
                        continue
                    if info.st_nlink > 1 and not entry.is_dir(follow_symlinks=False) and len(linked) < REMEMBERED:
                        linked.add(info.st_ino)
                    used += info.st_blocks * BLOCK
                    entries += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except FileNotFoundError:
            continue  # it went while we looked
        except OSError:
            whole = False
    return Occupied(used, entries, whole)


def keep(pod: str, disk: str, found: Occupied) -> DiskUsage:
    """Store what was found now. One that was cut short says no less than what is known already."""
    known = DiskUsage.objects.filter(pod=pod, disk=disk).first()
    used = max(found.used, known.used) if known and not found.whole else found.used
    values = {"used": used, "entries": found.entries, "whole": found.whole, "measured_at": timezone.now()}
    return DiskUsage.objects.update_or_create(pod=pod, disk=disk, defaults=values)[0]


def gauge(pod: str, disk: str, gb: int) -> Gauge | None:
    """None: it was not measured yet, or is not on this host."""
    usage = DiskUsage.objects.filter(pod=pod, disk=disk).first()
    return Gauge(usage, gb * GB) if usage else None


def gauges(pod: str) -> dict[str, DiskUsage]:
    """By the disk's name."""
    return {usage.disk: usage for usage in DiskUsage.objects.filter(pod=pod)}
