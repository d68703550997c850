"""What good practice says of backups: of the platform itself, and of the servers that operators run."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.utils import timezone

from apps.backups.platform import kept
from apps.infrastructure.models import Service
from apps.infrastructure.practices import Finding

PAGE = "platform-backups"


def backups(services: list[Service]) -> Iterable[Finding]:
    yield _platform()
    for service in services:
        if service.managed and service.is_server:
            words = "The platform makes no backups of what is on it"
            yield Finding(service.name, False, words, "Dump its databases yourself, or give pods servers of their own.")


def _platform() -> Finding:
    if alarm := kept.alarm(timezone.now()):
        return Finding("the platform", False, alarm, "Look what is wrong.", PAGE)
    if not settings.BRAINPOD.backups_platform:
        words = "Nothing backs it up by the clock"
        return Finding("the platform", False, words, "Set BRAINPOD_BACKUPS_PLATFORM.", PAGE)
    there = kept.files()
    words = (
        f"The newest backup is of {there[0].at:%Y-%m-%d %H:%M} UTC" if there else "The first one is made when it is due"
    )
    return Finding("the platform", True, words, "", PAGE)
