"""Saying which zone a pod is behind, and that it is behind none any more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import structlog
from django.db import transaction

from apps import secretstore
from apps.audit import trail
from apps.cdn.models import CloudflareZone, path_of
from apps.core.errors import Detail, Invalid, NotFound
from apps.pods.models import Pod

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
TOKEN = "token"
_ZONE = re.compile(r"[0-9a-f]{32}")
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{20,200}")


def connect(*, pod: Pod, zone: str, token: str, by: User) -> CloudflareZone:
    """Purge `zone` whenever something goes live. `token` empty: the one that is there stays.

    Raises Invalid naming "zone" or "token", Unavailable with the secret store.
    """
    zone, token = zone.strip().lower(), token.strip()
    known = CloudflareZone.objects.filter(pod=pod).first()
    wrong = []
    if not _ZONE.fullmatch(zone):
        wrong.append(Detail("zone", "must be the zone's id: 32 hex digits, on its overview at Cloudflare."))
    if token and not _TOKEN.fullmatch(token):
        wrong.append(Detail("token", "does not look like a token of Cloudflare's: make one that may purge the cache."))
    if not token and known is None:
        wrong.append(Detail("token", "is required: one that may purge the cache of this zone."))
    if wrong:
        raise Invalid(wrong)
    version = secretstore.secrets().write(path_of(pod.pk), {TOKEN: token}) if token else known.version  # type: ignore[union-attr]
    with transaction.atomic():
        row, _ = CloudflareZone.objects.update_or_create(
            pod=pod, defaults={"zone": zone, "version": version, "set_by": by, "result": "", "purged_at": None}
        )
        trail.note("cdn.connect", by=by, about=pod, zone=zone)
    log.info("cloudflare_connected", pod=pod.pk, zone=zone, by=by.pk)
    return row


def ask_to_purge(*, pod: Pod, by: User) -> None:
    """Write down who asked; a worker does it. Raises NotFound for a pod behind no zone."""
    if not CloudflareZone.objects.filter(pod=pod).exists():
        raise NotFound("zone of this pod")
    trail.note("cdn.purge", by=by, about=pod)


def disconnect(*, pod: Pod, by: User) -> None:
    """Purge nothing any more, and forget the token. Raises Unavailable with the secret store."""
    secretstore.secrets().delete(path_of(pod.pk))
    with transaction.atomic():
        trail.note("cdn.disconnect", by=by, about=pod)
        CloudflareZone.objects.filter(pod=pod).delete()
    log.info("cloudflare_disconnected", pod=pod.pk, by=by.pk)
