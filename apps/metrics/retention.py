"""How long buckets are kept: the finer, the shorter; of pods that are there, and of services until they are removed."""

from __future__ import annotations

import time

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat

from apps.metrics.models import Bucket, Statements
from apps.metrics.steps import KEPT, ROUTES
from apps.servers.base import SERVICES

AHEAD = 86400  # seconds: what is further in the future was written while the clock was wrong


def apply(pods: QuerySet) -> int:
    """Drop what is too old, and what belongs to none of `pods` (their ids) nor to a service; how many buckets went."""
    now = int(time.time())
    old = Q(step__gt=0, start__gt=now + AHEAD)
    for step, seconds in KEPT.items():
        old |= Q(step=step, start__lt=now - seconds - step)
    gone = Bucket.objects.filter(old).delete()[0]
    Statements.objects.exclude(pod=SERVICES).exclude(pod__in=pods).delete()
    routes = pods.annotate(routes=Concat("pk", Value(ROUTES))).values("routes")
    left = Bucket.objects.exclude(pod__in=("", SERVICES)).exclude(pod__in=pods).exclude(pod__in=routes)
    return gone + left.delete()[0]
