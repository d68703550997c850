"""nginx's copies of certificates: looked after, and brought back from the secret store when they are not as they were.

A file that changed in any way since it was last looked at is compared at the next look, seconds later; every one of
them twice a day.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal

import structlog
from django.db.models import Q
from django.utils import timezone

from apps import edge, secretstore
from apps.certificates import pairs
from apps.certificates.models import Certificate, Kind
from apps.core.errors import PlatformError, Unavailable

log = structlog.get_logger(__name__)
LOOK = datetime.timedelta(hours=12)  # between two looks at one that did not change
MOST = 200  # of one look
MARGIN = 2.0  # seconds that the clock of files may be behind


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done about one of `certificate`, in words."""

    certificate: Certificate
    words: str
    level: Literal["warn", "error"] = "warn"


def look() -> list[Mended]:
    """Bring back what is missing or damaged. Raises Unavailable with the secret store: what is broken is then marked,
    and a copy that nginx could not serve is taken away, so that it serves the default one."""
    now = timezone.now()
    rows = list(Certificate.objects.exclude(version=None).select_related("hostname").order_by("checked_at", "pk"))
    changes = edge.edge().certificate_changes()  # after the rows: a file is there before its row is
    suspects = [row for row in rows if _suspect(row, changes.get(row.kept), now)][:MOST]
    broken = {row.pk: how for row in suspects if (how := _how_broken(row, changes))}
    mended = []
    for row in suspects:
        try:
            found = _compare(row, broken.get(row.pk, ""))
        except (Unavailable, OSError):  # the store is away, or the disk is full
            _mark([row for row in suspects if row.pk in broken], broken)
            raise
        Certificate.objects.filter(pk=row.pk).update(checked_at=now, damage="")
        mended += [found] if found else []
    return mended


def _suspect(row: Certificate, changed: float | None, now: datetime.datetime) -> bool:
    if changed is None or row.damage or row.checked_at is None:
        return True
    return changed > row.checked_at.timestamp() - MARGIN or row.checked_at < now - LOOK


def _how_broken(row: Certificate, changes: dict[str, float]) -> str:
    """By what can be known without the secret store; empty: it serves."""
    if row.kept not in changes:
        return row.damage or "missing"
    kept = edge.edge().certificate(row.kept)
    return "" if kept and pairs.belong(*kept, fingerprint=row.fingerprint) else "damaged"


def _compare(row: Certificate, broken: str) -> Mended | None:
    """Raises Unavailable."""
    try:
        kept = secretstore.secrets().read(row.path, row.version or 0)
    except Unavailable:
        raise
    except PlatformError as error:
        return _lost(row, broken, error)
    if not broken and edge.edge().certificate(row.kept) == (kept["chain"], kept["key"]):
        return None
    edge.edge().keep_certificate(row.kept, kept["chain"], kept["key"])
    log.warning("certificate_brought_back", host=row.host, was=broken or "damaged")
    words = f"The files of the certificate of {row.host} were {broken or 'damaged'} on the disk, and were brought back."
    return Mended(row, words)


def _lost(row: Certificate, broken: str, error: PlatformError) -> Mended | None:
    """The store has it no more. While nginx's copy is good, it serves on: nothing better is to be had at once."""
    log.error("certificate_lost", host=row.host, copy=broken or "good", error=error.message)
    if not broken:
        return None
    rows = Certificate.objects.filter(pk=row.pk, version=row.version)
    anew = timezone.now() if row.kind == Kind.ACME else None
    if not rows.update(version=None, not_before=None, not_after=None, next_at=anew):
        return None
    return Mended(
        row, f"The certificate of {row.host} is lost: neither its files nor what they were can be had.", "error"
    )


def _mark(rows: list[Certificate], broken: dict[str, str]) -> None:
    for row in rows:
        Certificate.objects.filter(Q(pk=row.pk) & ~Q(damage=broken[row.pk])).update(damage=broken[row.pk])
    edge.edge().forget_certificates([row.kept for row in rows])
