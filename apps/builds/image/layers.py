"""Layers of earlier builds, out of the registry: what a daemon without any of its own begins with.

Where the client is buildx and the daemon has containerd's store, the layers of all steps are left beside the image, as
one more (BuildKit's cache of the type registry). Elsewhere every image that is pushed says within itself which steps
its layers came from (the inline cache, which daemons of every version read and write). A step's key has the scope in
it: no build finds another zone's or another app's.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from apps import artifacts
from apps.artifacts.oci import Registry
from apps.builds.caching import tending
from apps.builds.models import BuildCache, PushedImage
from apps.core import claims

_CONFIGURATION = "bp-dc-"  # beneath the system's own directory for such: an empty one, but for links
DEPS = "-deps"  # ends the tag of what is pushed for its layers alone: the stage of the dependencies
STEPS = "-steps"  # and of the layers of all steps, which is no image that could run


def known(registry: Registry, scope: str, *, steps: bool) -> tuple[str, ...]:
    """The newest image and the newest dependencies of `scope`, by digest; `steps`: and the newest layers of all steps,
    where a daemon is asked that reads them."""
    rows = PushedImage.objects.filter(scope=scope, name__startswith=f"{registry.prefix}/").exclude(digest="")
    newest: dict[str, PushedImage] = {}
    for row in rows.order_by("pushed_at", "pk"):
        newest[next((kind for kind in (DEPS, STEPS) if row.name.endswith(kind)), "")] = row
    return tuple(row.reference for kind, row in newest.items() if steps or kind != STEPS)


def label(place: str) -> str:
    """A host name's label for `place`, which is a cache's in its present generation, and does not tell it."""
    return f"bp-{hmac.new(settings.SECRET_KEY.encode(), place.encode(), hashlib.sha256).hexdigest()[:20]}"


def kept(registry: Registry) -> set[str]:
    """What `known` says for each cache that was used within BRAINPOD_CACHE_DAYS and is not cleared or deleted."""
    limit = timezone.now() - datetime.timedelta(days=settings.BRAINPOD.cache_days)
    used = BuildCache.objects.filter(last_used_at__gte=limit)
    pushed = set(PushedImage.objects.exclude(scope="").values_list("scope", flat=True))
    scopes = {label(tending.place(row).scope) for row in used} & pushed
    return {reference for scope in scopes for reference in known(registry, scope, steps=True)}


def credentials() -> bytes:
    """Docker's configuration with the registry's password in it; empty where the user's own says it all."""
    registry = artifacts.registry()
    if registry is None or not registry.username:
        return b""
    try:
        own = json.loads((_home() / "config.json").read_text())
    except (OSError, ValueError):
        own = {}
    pair = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    own["auths"] = {**own.get("auths", {}), registry.host: {"auth": pair}}
    own["credHelpers"] = {h: c for h, c in own.get("credHelpers", {}).items() if h != registry.host}
    return json.dumps(own).encode()


@contextmanager
def configured(descriptor: int) -> Iterator[dict[str, str]]:
    """The environment in which a client finds its configuration behind `descriptor`: in memory, in no file."""
    with claims.claimed(Path(tempfile.gettempdir()), _CONFIGURATION) as made:
        (made / "config.json").symlink_to(f"/dev/fd/{descriptor}")
        if (_home() / "cli-plugins").is_dir():
            (made / "cli-plugins").symlink_to(_home() / "cli-plugins")
        yield {"DOCKER_CONFIG": str(made)}


def sweep() -> int:
    """Remove the configurations of clients whose process was killed; how many."""
    return len(claims.sweep(Path(tempfile.gettempdir()), _CONFIGURATION))


def _home() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
