"""What nobody needs any more, removed in batches at low priority."""

from __future__ import annotations

import datetime

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from apps import artifacts
from apps.audit.models import AuditEntry
from apps.builds.caching import sweep, tending
from apps.builds.image import pruning
from apps.builds.models import Artifact, Build
from apps.deployments import feed
from apps.deployments.duties import duty
from apps.deployments.models import JobRun, Workload
from apps.edge import edge
from apps.edge.journal import segments
from apps.logs import retention
from apps.metrics import retention as metrics
from apps.pods.models import Pod, Revision

HOUR = 3600.0


def maintain() -> None:
    """Old log lines, figures, events, sessions and entries of the audit log; artifacts and images that nobody needs."""
    with duty("maintain") as lease:
        if lease is None:
            return
        retention.apply()
        metrics.apply(Pod.objects.values("pk"))
        feed.forget()
        _requests()
        AuditEntry.objects.prune(settings.BRAINPOD.audit_days)
        Session.objects.filter(expire_date__lt=timezone.now()).delete()
        _artifacts()


def _requests() -> None:
    config = settings.BRAINPOD
    pods = Pod.objects.values_list("pk", flat=True)
    segments.forget(edge().journal(), pods=pods, days=config.request_days, rows=config.request_rows)


def _artifacts() -> None:
    """Keep what is live, what runs, and the last revisions of every pod; the rest is built again if asked for."""
    numbered = Revision.objects.filter(sealed_at__isnull=False).annotate(
        age=Window(RowNumber(), partition_by="pod_id", order_by="-version")
    )
    recent = numbered.filter(age__lte=settings.BRAINPOD.revisions_kept).values_list("pk", flat=True)
    needed = {
        *recent,
        *Pod.objects.exclude(live=None).values_list("live_id", flat=True),
        *Workload.objects.exclude(state="stopped").values_list("revision_id", flat=True),
        *JobRun.objects.filter(state="running").values_list("revision_id", flat=True),
    }
    old = Build.objects.filter(artifact__isnull=False).exclude(revision_id__in=needed)
    old.update(artifact=None, built_at=None)
    Artifact.objects.filter(builds=None, created_at__lt=timezone.now() - datetime.timedelta(hours=1)).delete()
    sweep.sweep()
    # Trees that neither a manifest nor a cache names; a build under way has named those it made not long ago. What
    # is shared may be named by the cache of another machine.
    config = settings.BRAINPOD
    spared = config.cache_days * 24 * HOUR if config.artifacts_url else max(6 * HOUR, 4.0 * config.build_seconds)
    artifacts.artifacts().keep_only(sweep.named() | tending.retained(), older_than=spared)
    pruning.sweep(older_than=pruning.young())
