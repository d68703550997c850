"""Which deployments wait for a worker, and how many may be worked on at once."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from apps.deployments import wake
from apps.deployments.models import OPEN_STATES, Deployment


def has_room(deployment: Deployment) -> bool:
    """Whether one more may be worked on: the worker keeps a process for the duties, however long builds take."""
    others = Deployment.objects.filter(state__in=OPEN_STATES, leased_until__isnull=False).exclude(pk=deployment.pk)
    return sum(other.held for other in others.only("leased_until", "holder")) < settings.BRAINPOD.workers


def unattended() -> Iterator[str]:
    """The deployments that could go on and that nobody alive works on, the oldest first."""
    under_way = Deployment.objects.filter(state__in=("pending", "degraded"))
    busy = set(under_way.values_list("pod_id", flat=True))
    for deployment in Deployment.objects.filter(state__in=OPEN_STATES, pod__deleting_at=None).order_by("id"):
        if not deployment.held and (deployment.state != "waiting" or deployment.pod_id not in busy):
            yield deployment.pk


def wake_next() -> None:
    """Wake workers for as many as may begin, now that one has ended."""
    for _, pk in zip(range(settings.BRAINPOD.workers), unattended(), strict=False):
        wake.wake(wake.RUN, pk)
