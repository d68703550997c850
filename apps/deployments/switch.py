"""The only moment traffic moves: one transaction says what is live, one application of the edge makes it so."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from apps import edge
from apps.core.failpoints import failpoint
from apps.core.leases import Lease
from apps.deployments.desired import edge_state
from apps.deployments.events import changed
from apps.deployments.models import Deployment, Workload
from apps.deployments.recorder import Cancelled
from apps.pods.models import Pod


def switch(deployment: Deployment, workloads: list[Workload], lease: Lease) -> None:
    """Make the deployment's revision live on `workloads` (new ones and those kept).

    Idempotent. On Unavailable or PlatformError from the edge the previous state is back in the database, and the
    edge still serves it. Raises LeaseLost, and Cancelled for a cancellation that came just before.
    """
    pod = deployment.pod
    chosen = [w.pk for w in workloads]
    with transaction.atomic():
        Pod.objects.select_for_update().get(pk=pod.pk)
        now = timezone.now()
        if not Deployment.objects.filter(pk=deployment.pk, fence=lease.fence, cancel_at=None).update(switched_at=now):
            lease.renew()
            raise Cancelled
        before = Pod.objects.values_list("live", flat=True).get(pk=pod.pk)
        served = list(Workload.objects.filter(pod=pod, serving=True).values_list("pk", flat=True))
        Workload.objects.filter(pod=pod, serving=True).exclude(pk__in=chosen).update(serving=False)
        Workload.objects.filter(pk__in=chosen).update(serving=True, revision=deployment.revision, deployment=deployment)
        Pod.objects.filter(pk=pod.pk).update(live=deployment.revision)
    failpoint("between-switch-and-edge", pod.pk)
    try:
        edge.edge().apply(edge_state)
    except Exception:
        _undo(deployment, before=before, served=served, chosen=chosen)
        raise
    changed(pod.pk, deployment.pk)


def _undo(deployment: Deployment, *, before: int | None, served: list[str], chosen: list[str]) -> None:
    with transaction.atomic():
        Pod.objects.select_for_update().get(pk=deployment.pod_id)
        Pod.objects.filter(pk=deployment.pod_id).update(live=before)
        Workload.objects.filter(pk__in=set(chosen) - set(served)).update(serving=False)
        Workload.objects.filter(pk__in=served).update(serving=True, revision=before)
        Deployment.objects.filter(pk=deployment.pk).update(switched_at=None)
