"""Deleting a pod: nothing of it is left, however often the worker dies on the way."""

from __future__ import annotations

import shutil

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps import edge, secretstore
from apps.builds import pipeline as builds
from apps.builds.caching import tending
from apps.builds.models import Artifact, Build
from apps.cdn.models import path_of as token_path
from apps.core.errors import PlatformError
from apps.core.failpoints import failpoint
from apps.core.leases import acquire
from apps.core.states import move
from apps.deployments import allotting, disks, launch, settling
from apps.deployments.desired import edge_state
from apps.deployments.duties import duty
from apps.deployments.jobs import history
from apps.deployments.models import DEPLOYMENT_MOVES, OPEN_STATES, Deployment, Workload
from apps.logs.retention import delete_stream
from apps.metrics import store as metrics
from apps.pods.environment import secret_paths
from apps.pods.models import Pod
from apps.sources.hosted import Hosted


def tear_down(pod_id: str) -> None:
    """Remove everything of a pod marked for deletion; left half done, the reconciler has it done again.

    A pod goes after its children.
    """
    with duty(f"teardown:{pod_id}") as lease:
        pod = Pod.objects.filter(pk=pod_id, deleting_at__isnull=False).first()
        if lease is None or pod is None or pod.children.exists() or not _quiet(pod):
            return
        try:
            _remove(pod)
        except PlatformError:
            return


def _quiet(pod: Pod) -> bool:
    """End the deployments nobody works on; False while somebody still does."""
    for deployment in Deployment.objects.filter(pod=pod, state__in=OPEN_STATES):
        lease = acquire(deployment)
        if lease is None:
            return False
        move(deployment, "cancelled", table=DEPLOYMENT_MOVES, where=lease.where, finished_at=timezone.now())
        lease.release()
    return history.forget(pod.pk)


def _remove(pod: Pod) -> None:
    settling.stand_aside(pod.pk)
    edge.edge().apply(edge_state)
    failpoint("teardown.edge", pod.pk)
    edge.edge().settle()
    workloads = list(Workload.objects.filter(pod=pod))
    for workload in workloads:
        if workload.state != "stopped":
            launch.stop(workload, 10.0)
    failpoint("teardown.stopped", pod.pk)
    allotting.release_all(pod.pk)
    store = secretstore.secrets()
    for path in {*secret_paths(pod), token_path(pod.pk), *filter(None, [pod.webhook_path])}:
        store.delete(path)
    store.clear(pod.pk)  # what was written and no revision came to name
    failpoint("teardown.secrets", pod.pk)
    streams = [w.stream for w in workloads] + [d.stream for d in pod.deployments.all()]
    for stream in streams:
        delete_stream(stream)
    metrics.forget([pod.pk])
    for disk in disks.kept(pod.pk):
        disks.discard(pod.pk, disk)
    shutil.rmtree(edge.edge().journal() / pod.pk, ignore_errors=True)
    shutil.rmtree(settings.BRAINPOD.state / "pods" / pod.pk, ignore_errors=True)
    for cache in (tending.root() / str(pod.team_id)).glob(f"{pod.pk}-*"):
        tending.aside(cache)
    Hosted(settings.BRAINPOD.state / "repositories").delete_of_pod(pod.team.slug, pod.name)
    for build in Build.objects.filter(revision__pod=pod):
        builds.discard(build)
    failpoint("teardown.files", pod.pk)
    with transaction.atomic():
        made = list(Artifact.objects.filter(builds__revision__pod=pod).values_list("pk", flat=True))
        Pod.objects.filter(pk=pod.pk).update(live=None, head=None)
        pod.delete()
        Artifact.objects.filter(pk__in=made, builds=None).delete()
