"""What the page of an app shows of its build cache."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Sum

from apps.builds.caching.tending import MB
from apps.builds.models import BuildCache
from apps.pods.models import Pod

_WORDS = {
    "layers": "Dependencies",
    "packages": "Packages of the package managers",
    "intermediates": "Intermediate files of the framework",
    "outputs": "Outputs of static builds",
}
_OTHER = "Image layers"


@dataclass(frozen=True, slots=True)
class Zone:
    """`zone` says whose builds write here: the pod's own, or those of a preview that only reads production's."""

    zone: str
    size: int
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Card:
    """Bytes; `parts` are (what, bytes), the largest first. `share` of the team's quota is used, in percent."""

    size: int
    parts: list[tuple[str, int]]
    entries: int
    last_used_at: datetime | None
    cleared_at: datetime | None
    zones: list[Zone]
    used: int
    quota: int

    @property
    def share(self) -> int:
        return min(100, round(100 * self.used / self.quota))


def cache_card(pod: Pod, app: str) -> Card:
    rows = list(BuildCache.objects.filter(pod=pod, app=app).order_by("zone"))
    parts: dict[str, int] = {}
    for row in rows:
        for part, size in row.parts.items():
            word = _WORDS.get(part, _OTHER)
            parts[word] = parts.get(word, 0) + size
    total = BuildCache.objects.filter(team_id=pod.team_id).aggregate(all=Sum("size"))["all"] or 0
    return Card(
        size=sum(row.size for row in rows),
        parts=sorted(parts.items(), key=lambda part: -part[1]),
        entries=sum(row.entries for row in rows),
        last_used_at=max((row.last_used_at for row in rows if row.last_used_at), default=None),
        cleared_at=max((row.cleared_at for row in rows if row.cleared_at), default=None),
        zones=[Zone(row.zone, row.size, row.last_used_at) for row in rows] if len(rows) > 1 else [],
        used=total,
        quota=settings.BRAINPOD.cache_mb * MB,
    )
