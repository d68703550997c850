"""How long a deployment may take, whatever the clock is set to meanwhile."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from django.conf import settings

from apps.deployments.models import Deployment
from apps.pods import kinds

UNSEEN = datetime.timedelta(minutes=10)  # a deadline that is over for longer went by while nobody looked


def deadline(deployment: Deployment, now: datetime.datetime) -> datetime.datetime:
    """When one that begins `now` has to have ended."""
    config = settings.BRAINPOD
    named = [resource.kind for resource in deployment.revision.snapshot().values()]
    apps, databases = sum(kind == "App" for kind in named), sum(kinds.get(kind).server is not None for kind in named)
    longest = 600 + apps * (config.clone_seconds + 2 * config.build_seconds + 1200) + databases * 1200
    return now + datetime.timedelta(seconds=longest)


def over(now: datetime.datetime) -> Iterator[Deployment]:
    """Those under way whose deadline has passed.

    Somebody looks every few seconds: a deadline that is long over went by when the clock was set forwards, or while the
    platform was off, and what began in the future began before the clock was set back. Both have their time anew.
    """
    rows = Deployment.objects.filter(state__in=("pending", "degraded"))
    for deployment in rows.filter(deadline__lt=now - UNSEEN):
        rows.filter(pk=deployment.pk, deadline=deployment.deadline).update(deadline=deadline(deployment, now))
    for deployment in rows.filter(started_at__gt=now + UNSEEN):
        begun = {"started_at": now, "deadline": deadline(deployment, now)}
        rows.filter(pk=deployment.pk, started_at=deployment.started_at).update(**begun)
    yield from rows.filter(deadline__lt=now)
