"""What good practice says of backups: of the platform itself, and of the servers that operators run."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.utils import timezone

from apps.backups.kinds import SHARED_KEYS
from apps.backups.models import BackupPlan
from apps.backups.platform import kept
from apps.infrastructure.models import SERVERS, Service, Type
from apps.infrastructure.practices import Finding

PAGE = "platform-backups"
SHOWN = 3


def backups(services: list[Service]) -> Iterable[Finding]:
    yield _platform()
    for service in services:
        if service.managed and service.is_server:
            yield _server(service)


def _server(service: Service) -> Finding:
    """Pods' plans back up what pods have there; what operators made there themselves nobody does."""
    allotted = list(service.allotments.filter(released_at=None).values_list("pod_id", "resource", "pod_name"))
    kind = SHARED_KEYS if SERVERS[Type(service.type)] == "Valkey" else SERVERS[Type(service.type)]
    plans = BackupPlan.objects.filter(pod__in={pod for pod, _, _ in allotted}, kind__in=(kind, ""))
    planned = set(plans.values_list("pod", "name"))
    bare = [f"{resource} of {name}" for pod, resource, name in allotted if (pod, resource) not in planned]
    if bare:
        words = f"No backups are planned of {', '.join(bare[:SHOWN])}{' and others' if len(bare) > SHOWN else ''}"
        return Finding(service.name, False, words, "Make plans on the pages of these databases.")
    if allotted:
        return Finding(service.name, True, "Everything that pods have there is backed up; nothing else on it is")
    words = "The platform makes no backups of what is on it"
    return Finding(service.name, False, words, "Dump its databases yourself, or share it with pods and plan backups.")


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
