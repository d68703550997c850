"""Alarms as they come and go: each is told once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import structlog
from django.db.models import Q
from django.utils import timezone

from apps.certificates.models import WARNED, Certificate, Kind

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    certificate: Certificate
    words: str
    level: Literal["info", "warn", "error"]
    failed: bool = False  # to be issued or renewed


def worth_telling() -> Q:
    """All that have an alarm, and few that have none."""
    lost = Q(kind=Kind.OWN, version=None)
    return Q(failures__gt=0) | Q(not_after__lt=timezone.now() + WARNED) | ~Q(damage="") | lost


def candidates() -> list[Certificate]:
    """Those of which there may be something to tell, or to say that it is over."""
    rows = Certificate.objects.filter(worth_telling() | ~Q(told=""))
    return list(rows.select_related("hostname").order_by("host"))


def take(row: Certificate) -> News | None:
    """What is new about `row`; whoever asks first has it, and what it does about it belongs into one transaction."""
    key = row.alarm_key
    if key == row.told or not Certificate.objects.filter(pk=row.pk, told=row.told).update(told=key):
        return None
    if not key:
        return News(row, f"The certificate of {row.host} is in order again.", "info")
    log.warning("certificate_alarm", host=row.host, words=row.alarm)
    failed = key.startswith(("none", "unrenewed"))
    mild = key == "ends" or key.startswith("unrenewed")
    return News(row, f"{row.alarm} {row.error}" if failed else row.alarm, "warn" if mild else "error", failed)
