"""The only moment traffic moves: one transaction says what is live, one application of the edge makes it so."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps import edge
from apps.core.failpoints import failpoint
from apps.core.leases import Lease
from apps.deployments import domains
from apps.deployments.attended import Cancelled
from apps.deployments.desired import edge_state
from apps.deployments.events import changed
from apps.deployments.jobs.follow import follow
from apps.deployments.models import AppControl, Deployment, Workload
from apps.pods import kinds
from apps.pods.models import Pod, Revision


def switch(deployment: Deployment, workloads: list[Workload], lease: Lease) -> None:
    """Make the deployment's revision live on `workloads` (new ones and those kept).

    Idempotent. On Unavailable or PlatformError from the edge the previous state is back in the database, and the
    edge still serves it. Raises LeaseLost, and Cancelled for a cancellation that came just before.
    """
    pod = deployment.pod
    chosen = [w.pk for w in workloads]
    with transaction.atomic():
        before = Pod.objects.select_for_update().values_list("live", flat=True).get(pk=pod.pk)
        now = timezone.now()
        if not Deployment.objects.filter(pk=deployment.pk, fence=lease.fence, cancel_at=None).update(switched_at=now):
            lease.renew()
            raise Cancelled
        served = list(Workload.objects.filter(pod=pod, serving=True).values_list("pk", flat=True))
        Workload.objects.filter(pod=pod, serving=True).exclude(pk__in=chosen).update(serving=False, released_at=now)
        Workload.objects.filter(pk__in=chosen).update(
            serving=True, released_at=None, revision=deployment.revision, deployment=deployment
        )
        Pod.objects.filter(pk=pod.pk).update(live=deployment.revision, cache_generation=F("cache_generation") + 1)
        follow(pod.pk, deployment.revision)
    failpoint("between-switch-and-edge", pod.pk)
    try:
        edge.edge().apply(edge_state)
    except Exception:
        _undo(deployment, before=before, served=served, chosen=chosen)
        raise
    woken = AppControl.objects.filter(pod=pod, app__in={w.app for w in workloads}, asleep_since__isnull=False)
    woken.update(asleep_since=None, asleep_as="", active_at=timezone.now())
    apps = deployment.revision.resources.filter(kind__in=kinds.RUNNING).values("name")
    AppControl.objects.filter(pod=pod).exclude(app__in=apps).delete()
    domains.release(pod)
    changed(pod.pk, deployment.pk)


def _undo(deployment: Deployment, *, before: int | None, served: list[str], chosen: list[str]) -> None:
    with transaction.atomic():
        Pod.objects.select_for_update().get(pk=deployment.pod_id)
        Pod.objects.filter(pk=deployment.pod_id).update(live=before)
        follow(deployment.pod_id, Revision.objects.filter(pk=before).first() if before else None)
        Workload.objects.filter(pk__in=set(chosen) - set(served)).update(serving=False)
        Workload.objects.filter(pk__in=served).update(serving=True, released_at=None, revision=before)
        Deployment.objects.filter(pk=deployment.pk).update(switched_at=None)
