"""Backups of pods that are gone: removed where a pod was deleted, never because no row knows it.

A database that was restored, or put back, knows nothing of the pods made since: their backups are all there is of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from apps.backups import remote
from apps.backups.models import directory
from apps.backups.platform import kept, upgrading
from apps.core.errors import PlatformError
from apps.pods.models import Pod

MARK = "deleted"  # in the directory of a pod that was; operators make it of one that is not known

log = structlog.get_logger(__name__)


@receiver(pre_delete, sender=Pod)
def note(instance: Pod, **_: Any) -> None:
    place = directory(instance.pk)
    if place.is_dir() or instance.backups.exists():
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        (place / MARK).touch(0o600)


def forget() -> None:
    """Remove what is left of pods that were deleted: here, and in the store."""
    for place in unknown():
        if not (place / MARK).exists():
            continue
        try:
            remote.forget_pod(place.name)
        except PlatformError as error:
            log.info("backups_wait", pod=place.name, error=str(error))
            continue
        shutil.rmtree(place, ignore_errors=True)


def unknown() -> list[Path]:
    """The directories of pods that are in no row."""
    root = Path(settings.BRAINPOD.state) / "backups"
    there = {path.name: path for path in sorted(root.iterdir()) if path.is_dir()} if root.is_dir() else {}
    pods = Pod.objects.filter(pk__in=there).values_list("pk", flat=True)
    return [there[name] for name in there.keys() - {kept.PLACE, upgrading.directory().name} - set(pods)]
