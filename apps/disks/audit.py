"""Who did what with what is on disks."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.audit import trail
from apps.disks.models import DiskAction
from apps.pods.models import Pod

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)


def record(*, pod: Pod, disk: str, by: User | None, did: str, path: str = "", address: str = "") -> None:
    """Write down that `by` did it, before it is done where it cannot be undone."""
    person = by.email if by else ""
    with transaction.atomic():
        DiskAction.objects.create(
            team=pod.team, pod=pod, pod_name=pod.name, disk=disk, user=by, person=person, did=did, path=path[:1000],
            address=address[:45],
        )  # fmt: skip
        trail.note("disk.use", by=by, about=pod, part=disk, did=did, path=path, address=address)
    log.info("disk_action", pod=pod.name, disk=disk, person=person, did=did, path=path[:1000])


def forget() -> None:
    old = timezone.now() - datetime.timedelta(days=settings.BRAINPOD.audit_days)
    DiskAction.objects.filter(at__lt=old).delete()
