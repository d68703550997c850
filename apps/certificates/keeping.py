"""Where certificates are: in the secret store, and a copy for nginx."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from apps import edge, secretstore
from apps.certificates.models import MOVES, Certificate, DnsZone, State, path_of, renewal
from apps.certificates.pairs import Pair
from apps.core.states import move


def keep(row: Certificate, pair: Pair, *, where: dict[str, Any], renewed: bool, **fields: Any) -> bool:
    """Make `pair` what serves the name from the next application of the edge on; False if `where` no longer holds.

    First the secret store, then nginx's copy, then the row: one that was killed in between left what was before.
    Raises Unavailable.
    """
    version = secretstore.secrets().write(row.path, {"chain": pair.chain, "key": pair.key})
    edge.edge().keep_certificate(f"{row.pk}-{version}", pair.chain, pair.key)
    now = timezone.now()
    return move(
        row, State.READY, table=MOVES, where=where, version=version, names=list(pair.names), issuer=pair.issuer,
        fingerprint=pair.fingerprint, next_at=renewal(row.pk, pair.not_before, pair.not_after) if renewed else None,
        not_before=pair.not_before, not_after=pair.not_after, error_code="", error="",
        hint="", failures=0, damage="", records=[], confirmed=0, checked_at=now, **fields,
    )  # fmt: skip


def served() -> dict[str, str]:
    """What the edge knows the certificate of each host by, of those that have one."""
    rows = Certificate.objects.exclude(version=None).values_list("host", "pk", "version")
    return {host: f"{pk}-{version}" for host, pk, version in rows}


def tidy() -> None:
    """Remove what nobody names. A pair that was just written and has no row yet is spared: it is the newest of its
    certificate."""
    known = dict(Certificate.objects.values_list("pk", "version"))
    wanted = {f"{pk}-{version}" for pk, version in known.items() if version}
    old = [name for name in edge.edge().certificates() - wanted if _old(name, known)]
    for pk in {name.rpartition("-")[0] for name in old} - known.keys():
        secretstore.secrets().delete(path_of(pk))
    edge.edge().forget_certificates(old)


def _old(name: str, known: dict[str, int | None]) -> bool:
    pk, _, version = name.rpartition("-")
    if not pk or not version.isdigit():
        return False  # the edge's own
    return pk not in known or int(version) < (known[pk] or 0)


def forget(row: Certificate) -> None:
    """Delete it with what the secret store has of it. Raises Unavailable; the row is then still there."""
    secretstore.secrets().delete(row.path)
    row.delete()


def keep_zone(zone: DnsZone, secret: str) -> None:
    """Raises Unavailable."""
    zone.path = f"platform/dns/{zone.pk}"
    zone.version = secretstore.secrets().write(zone.path, {"secret": secret})


def zone_secret(zone: DnsZone) -> str:
    """Raises Unavailable, PlatformError."""
    return secretstore.secrets().read(zone.path, zone.version)["secret"]


def forget_zone(zone: DnsZone) -> None:
    secretstore.secrets().delete(zone.path)
