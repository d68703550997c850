"""The events feed: what happened to running apps by itself, told in words, newest first."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Literal

from django.db.models import QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from apps.deployments.events import changed
from apps.deployments.models import AppEvent, Workload
from apps.pods.models import Pod

Kind = Literal["health", "restart", "crashing", "start", "engine", "node", "lost", "disk"]
Level = Literal["info", "warn", "error"]
KEPT = datetime.timedelta(days=30)
MOST = 500  # of an app
BATCH = 5000  # dropped at once; the next hour drops the next
LONGEST = 300  # characters


def tell(workload: Workload, kind: Kind, words: str, *, level: Level = "info") -> None:
    """Write down that something happened to `workload`, and have open pages look."""
    AppEvent.objects.create(
        pod_id=workload.pod_id,
        app=workload.app,
        workload=workload.pk,
        instance=str(workload),
        kind=kind,
        level=level,
        words=words[:LONGEST],
    )
    changed(workload.pod_id)


def told_since(workloads: Iterable[Workload], kind: Kind) -> dict[str, datetime.datetime]:
    """When something of that kind was first told of each since the engine answered for it last, by id, if it was."""
    rows = {w.pk: w.observed_at for w in workloads}
    told = AppEvent.objects.filter(workload__in=rows, kind=kind).order_by("-id").values_list("workload", "at")
    return {pk: at for pk, at in told if (seen := rows[pk]) is not None and at > seen}


def of_app(pod: Pod, app: str) -> QuerySet[AppEvent]:
    return AppEvent.objects.filter(pod=pod, app=app).select_related("actor")


def forget() -> None:
    """Drop what is older than a month, and all but the newest of an app that tells much."""
    AppEvent.objects.filter(at__lt=timezone.now() - KEPT).delete()
    numbered = AppEvent.objects.annotate(
        age=Window(RowNumber(), partition_by=("pod_id", "app"), order_by="-id")
    ).filter(age__gt=MOST)
    AppEvent.objects.filter(pk__in=list(numbered.values_list("pk", flat=True)[:BATCH])).delete()
