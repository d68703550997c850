"""Where disks are, and what is kept beside them: all of it goes with the pod's directory."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings


def disk_path(pod_id: str, disk: str) -> Path:
    """Where the content of a disk is on this host."""
    return Path(settings.BRAINPOD.state) / "pods" / pod_id / "disks" / disk


def beside_disks(pod_id: str, *parts: str) -> Path:
    """A place of the pod's that no app sees: it goes with the pod."""
    return (Path(settings.BRAINPOD.state) / "pods" / pod_id).joinpath(*parts)


def prepared_path(pod_id: str, disk: str) -> Path:
    """Content that is to be on a disk which is not there (yet): whoever makes the disk takes it."""
    return Path(settings.BRAINPOD.state) / "pods" / pod_id / "prepared" / disk


def made(pod_id: str, disk: str) -> str:
    """`disk_path`, there if it was not yet."""
    path = disk_path(pod_id, disk)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        try:
            prepared_path(pod_id, disk).rename(path)
        except OSError:  # nothing is prepared, or somebody was faster
            path.mkdir(exist_ok=True)
    return str(path)
