"""Where disks are."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings


def disk_path(pod_id: str, disk: str) -> Path:
    """Where the content of a disk is on this host."""
    return Path(settings.BRAINPOD.state) / "pods" / pod_id / "disks" / disk


def made(pod_id: str, disk: str) -> str:
    """The same, there if it was not yet."""
    path = disk_path(pod_id, disk)
    path.mkdir(parents=True, exist_ok=True)
    return str(path)
