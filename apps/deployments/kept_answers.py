"""Forgetting what the edge has kept of a pod's answers, without a deployment."""

from __future__ import annotations

import structlog
from django.db import transaction
from django.db.models import F

from apps.accounts.models import User
from apps.audit import trail
from apps.core.errors import Conflict
from apps.deployments import wake
from apps.deployments.events import changed
from apps.deployments.models import AppEvent
from apps.pods.models import Pod

log = structlog.get_logger(__name__)


WORDS = "What the edge kept of its answers was forgotten: the apps are asked again."


@transaction.atomic
def forget(*, pod: Pod, by: User | None) -> None:
    """Nothing kept until now is given once the edge has been told, within seconds. Raises Conflict.

    It stands among the events of each route that keeps answers.
    """
    routes = pod.live.resources.filter(kind="Route", spec__cache=True) if pod.live else None
    names = list(routes.values_list("name", flat=True)) if routes is not None else []
    if not names:
        raise Conflict("nothing_kept", "No live route of this pod keeps answers.", "Deploy a route with caching on.")
    Pod.objects.filter(pk=pod.pk).update(cache_generation=F("cache_generation") + 1)
    rows = [AppEvent(pod=pod, app=name, kind="cache", words=WORDS, actor=by) for name in sorted(names)]
    AppEvent.objects.bulk_create(rows)
    trail.note("cache.forget", by=by, about=pod)
    log.info("kept_answers_forgotten", pod=pod.pk, by=by.pk if by else None)
    changed(pod.pk)
    wake.wake(wake.RECONCILE)
