"""Images nobody needs, removed from this machine's daemon and from the registry; and the room of BuildKit's cache."""

from __future__ import annotations

import datetime

import structlog
from django.conf import settings
from django.utils import timezone

from apps import artifacts
from apps.artifacts.oci import Registry
from apps.builds import bundle, fleet
from apps.builds.image import images, layers
from apps.builds.models import Artifact, PushedImage
from apps.core.errors import PlatformError

HOUR = 3600.0
MB = 1_000_000
log = structlog.get_logger(__name__)


def young() -> float:
    """Seconds for which nothing is removed: a build under way has not yet recorded what it made."""
    return max(6 * HOUR, 4.0 * settings.BRAINPOD.build_seconds)


def sweep(older_than: float) -> None:
    """What is not needed and older than `older_than` seconds; who does not answer is asked again next time."""
    for part in (_daemon, _registry):
        try:
            part(older_than)
        except PlatformError as error:
            log.warning("images_left", where=part.__name__, error=str(error))


def sweep_here(older_than: float) -> None:
    """The same for the daemon of a machine that only builds: the registry is the platform's to tidy."""
    try:
        _daemon(older_than)
    except PlatformError as error:
        log.warning("images_left", where="daemon", error=str(error))


def needed() -> set[str]:
    """What the artifacts kept for their revisions run from: ids, and names by digest."""
    stored = Artifact.objects.filter(kind="image").values_list("manifest", flat=True)
    return {bundle.Manifest.from_json(manifest).image for manifest in stored}


def _daemon(older_than: float) -> None:
    config = settings.BRAINPOD
    if not config.docker_address:
        return
    here = fleet.here()
    passing = here is not None and here.dedicated and artifacts.registry() is not None  # nothing is run from here
    removed = images.keep_only(config.docker_address, set() if passing else needed(), older_than=older_than)
    images.shrink_cache(
        config.docker_address, idle=config.cache_days * 24 * HOUR, most=config.cache_mb * MB
    )  # fmt: skip
    if removed:
        log.info("images_removed", number=removed)


def _registry(older_than: float) -> None:
    registry = artifacts.registry()
    if registry is None:
        return
    ours = PushedImage.objects.filter(name__startswith=f"{registry.prefix}/")
    limit = timezone.now() - datetime.timedelta(seconds=older_than)
    fresh = list(ours.filter(pushed_at__gte=limit))
    kept = needed() | layers.kept(registry) | {row.reference for row in fresh if row.digest}
    # What is being pushed there now may turn out to be equal to what nobody needed a moment ago.
    busy = {row.repository for row in fresh if not row.digest}
    for row in ours.filter(pushed_at__lt=limit):
        if row.repository not in busy and not _forget(registry, row, kept):
            log.warning("images_left", where=registry.host, error="It does not let images be deleted.")
            return


def _forget(registry: Registry, row: PushedImage, kept: set[str]) -> bool:
    """False if the registry keeps everything. A row without digest is of a push that failed, or seemed to."""
    row.digest = row.digest or registry.digest(row.repository, row.tag)
    if row.digest and row.reference in kept:
        return True
    if row.digest and not registry.delete(row.repository, row.digest):
        return False
    row.delete()
    return True
