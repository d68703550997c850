"""Telling Cloudflare to forget what it keeps of a pod's hosts: tried a few times, and never anybody's failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps import secretstore
from apps.cdn.actions import TOKEN
from apps.cdn.models import CloudflareZone, path_of
from apps.core.cloudflare import Api, Declined
from apps.core.errors import PlatformError

PAUSES = (1.0, 3.0, 9.0)  # seconds between two tries
LONGEST_PAUSE = 20.0  # seconds: what asks for more is not waited for
AT_ONCE = 30  # hosts of one call: Cloudflare takes no more


def purge(
    zone: CloudflareZone, hosts: Sequence[str], *, tick: Callable[[], None], wait: Callable[[float], None] = time.sleep
) -> bool:
    """Purge `hosts`; how it went stands in `zone.result`. `tick` is called before each try and may raise."""
    try:
        token = secretstore.secrets().read(path_of(zone.pod_id), zone.version)[TOKEN]
        ask = _patiently(Api(settings.BRAINPOD.cloudflare_url, token), tick, wait)
        there = _in_zone(ask, zone.zone, hosts)
        for first in range(0, len(there), AT_ONCE):
            ask("POST", f"/zones/{zone.zone}/purge_cache", json={"hosts": there[first : first + AT_ONCE]})
        words, succeeded = f"Cloudflare forgets what it kept of {_named(there)}.", True
    except Declined as error:
        words, succeeded = f"Cloudflare did not purge its cache: {error}. Visitors may see what was before.", False
    except PlatformError as error:
        words, succeeded = f"Cloudflare was not asked: {error.message}", False
    zone.result, zone.succeeded, zone.purged_at = words[:300], succeeded, timezone.now()
    CloudflareZone.objects.filter(pk=zone.pk).update(
        result=zone.result, succeeded=zone.succeeded, purged_at=zone.purged_at
    )
    return succeeded


def _in_zone(ask: Callable[..., Any], zone: str, hosts: Sequence[str]) -> list[str]:
    """Those of `hosts` that are in the zone; all, where the token may not ask what it is called."""
    try:
        name = str(ask("GET", f"/zones/{zone}")["name"])
    except Declined as error:
        if error.again is not None:
            raise
        return list(hosts)
    return [host for host in hosts if host == name or host.endswith(f".{name}")]


def _patiently(api: Api, tick: Callable[[], None], wait: Callable[[float], None]) -> Callable[..., Any]:
    """`api.ask`, again while what it says may pass by."""

    def ask(method: str, path: str, **more: Any) -> Any:
        for pause in PAUSES:
            tick()
            try:
                return api.ask(method, path, **more)
            except Declined as error:
                if error.again is None or error.again > LONGEST_PAUSE:
                    raise
                wait(max(pause, error.again))
        tick()
        return api.ask(method, path, **more)

    return ask


def _named(hosts: Sequence[str]) -> str:
    if not hosts:
        return "nothing: no host of the pod is in this zone"
    return hosts[0] if len(hosts) == 1 else f"{len(hosts)} hosts"
