"""What nobody needs any more, removed in batches at low priority."""

from __future__ import annotations

import datetime

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from apps import artifacts
from apps.audit.models import AuditEntry
from apps.builds.caching import sweep, tending
from apps.builds.image import pruning
from apps.builds.models import Artifact, Build
from apps.deployments import feed
from apps.deployments.duties import duty
from apps.deployments.jobs import tend
from apps.deployments.models import JobRun, Workload
from apps.edge import edge
from apps.edge.journal import segments
from apps.logs import retention
from apps.metrics import retention as metrics
from apps.pods.models import Pod, Resource, Revision
from apps.sources.hosted import Hosted

HOUR = 3600.0


def maintain() -> None:
    """Old log lines, figures, events, sessions and entries of the audit log; artifacts and images that nobody needs.

    Begun as well when the clock was set back (brainpod/scheduler.py): what was planned by it is planned anew.
    """
    with duty("maintain") as lease:
        if lease is None:
            return
        tend.plan_sooner()
        retention.apply()
        metrics.apply(Pod.objects.values("pk"))
        feed.forget()
        _requests()
        AuditEntry.objects.prune(settings.BRAINPOD.audit_days)
        Session.objects.filter(expire_date__lt=timezone.now()).delete()
        _artifacts()
        _repositories()


def _requests() -> None:
    config = settings.BRAINPOD
    pods = Pod.objects.values_list("pk", flat=True)
    segments.forget(edge().journal(), pods=pods, days=config.request_days, rows=config.request_rows)


def _kept() -> set[int]:
    """The revisions whose artifacts are kept: live ones, those that run, and the last ones of every pod."""
    numbered = Revision.objects.filter(sealed_at__isnull=False).annotate(
        age=Window(RowNumber(), partition_by="pod_id", order_by="-version")
    )
    recent = numbered.filter(age__lte=settings.BRAINPOD.revisions_kept).values_list("pk", flat=True)
    return {
        *recent,
        *Pod.objects.exclude(live=None).values_list("live_id", flat=True),
        *Workload.objects.exclude(state="stopped").values_list("revision_id", flat=True),
        *JobRun.objects.filter(state="running").values_list("revision_id", flat=True),
    }


def _repositories() -> None:
    """Forget what was pushed to apps that neither a kept revision nor a draft has any more."""
    wanted = Q(revision__in=_kept()) | Q(revision__sealed_at=None) | Q(revision__in=Pod.objects.values("head"))
    apps = Resource.objects.filter(wanted, kind="App")
    named = set(apps.values_list("spec__source__repo", flat=True))
    hosted = Hosted(settings.BRAINPOD.state / "repositories")
    for team, name in hosted.of_pods(untouched=HOUR):
        if f"brainpod:{team}/{name}" not in named:
            hosted.delete(team, name)


def _artifacts() -> None:
    """What is not kept is built again if asked for."""
    old = Build.objects.filter(artifact__isnull=False).exclude(revision_id__in=_kept())
    old.update(artifact=None, built_at=None)
    Artifact.objects.filter(builds=None, created_at__lt=timezone.now() - datetime.timedelta(hours=1)).delete()
    sweep.sweep()
    # Trees that neither a manifest nor a cache names; a build under way has named those it made not long ago. What
    # is shared may be named by the cache of another machine.
    config = settings.BRAINPOD
    spared = config.cache_days * 24 * HOUR if config.artifacts_url else max(6 * HOUR, 4.0 * config.build_seconds)
    artifacts.artifacts().keep_only(sweep.named() | tending.retained(), older_than=spared)
    pruning.sweep(older_than=pruning.young())
