"""Which names have certificates: the domains that are proven, and the platform's own."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from apps import edge
from apps.certificates import copies, keeping
from apps.certificates.copies import Mended
from apps.certificates.models import Certificate, Kind, State, zone_of
from apps.core.errors import Unavailable
from apps.core.leases import free
from apps.pods.models import HostName

log = structlog.get_logger(__name__)


def follow() -> None:
    """A row for each name that is to have a certificate, none for the others. Costs two queries when nothing changed.

    A name that changed hands has a new row: nothing of the one before is left for the new owner.
    """
    owned = dict(
        HostName.objects.filter(custom=True, verified_at__isnull=False, pod__deleting_at=None).values_list("host", "pk")
    )
    wanted: dict[str, int | None] = {**dict.fromkeys(own_names()), **owned}
    known = {row.host: row for row in Certificate.objects.only("host", "hostname", "kind", "version")}
    for host, row in known.items():
        if host in wanted and row.hostname_id == wanted[host]:
            continue
        if host in wanted or row.hostname_id is not None or not _uploaded(row):
            _forget(row)
    for host, hostname in wanted.items():
        present = known.get(host)
        if present is None or present.hostname_id != hostname:
            _begin(host, hostname)


def _uploaded(row: Certificate) -> bool:
    return row.kind == Kind.OWN and row.version is not None


def _forget(row: Certificate) -> None:
    try:
        keeping.forget(row)
    except Unavailable as error:
        log.info("certificate_stays", host=row.host, error=error.message)  # and goes with the next look


def _begin(host: str, hostname: int | None) -> None:
    try:
        with transaction.atomic():
            asked = timezone.now() if settings.BRAINPOD.acme_on else None
            Certificate.objects.create(host=host, hostname_id=hostname, next_at=asked)
    except IntegrityError:
        return  # another worker did, or the name has just gone


def own_names() -> list[str]:
    """The platform's own names that an authority can issue for: the dashboard's, and the base domain's wildcard."""
    config = settings.BRAINPOD
    if not config.acme_on:
        return []
    found = []
    if _public(config.domain) and zone_of(config.domain) is not None:
        found.append(f"*.{config.domain}")
    host = config.dashboard_host
    covered = bool(found) and (host == config.domain or host.partition(".")[2] == config.domain)
    if _public(host) and not covered:
        found.append(host)
    return found


def _public(name: str) -> bool:
    return "." in name and not name.endswith(".localhost") and not name.replace(".", "").isdigit()


def due() -> list[str]:
    """Those to be requested now, the ones that have none first, then whoever waits longest."""
    if not settings.BRAINPOD.acme_on:
        return []
    now = timezone.now()
    rows = Certificate.objects.filter(Q(kind=Kind.ACME), Q(next_at__lte=now) & (free(now) | ~Q(state=State.WAITING)))
    return [row.pk for row in rows.order_by("version", "next_at")[:50] if not row.held]


def look() -> list[Mended]:
    """Look after what is there: nginx's copies, the default one among them; what came of it. Raises PlatformError."""
    forgotten = Certificate.objects.filter(kind=Kind.ACME, version__isnull=False, next_at=None, by_hand=False)
    for row in forgotten.exclude(state=State.ISSUING):
        Certificate.objects.filter(pk=row.pk, next_at=None).update(next_at=row.renew_at)
    edge.edge().keep_default_certificate()
    mended = copies.look()
    keeping.tidy()
    return mended
