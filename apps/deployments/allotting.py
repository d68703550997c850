"""Databases at shared servers, when something is deployed, replaced or deleted."""

from __future__ import annotations

import structlog

from apps.core.errors import PlatformError
from apps.deployments import databases
from apps.deployments.models import OPEN_STATES, Deployment
from apps.deployments.recorder import Recorder
from apps.deployments.release import Release
from apps.infrastructure import sharing
from apps.infrastructure.models import Allotment
from apps.pods.contents import databases_of
from apps.pods.databases import shared_name
from apps.pods.models import Pod

log = structlog.get_logger(__name__)


def have_all(recorder: Recorder, release: Release) -> None:
    """Before the apps: each of the release's has its database, and its user the password of the revision."""
    for name in release.allotted():
        with recorder.stage("launch", name) as note:
            made = recorder.patiently(lambda name=name: _have(release, name), "the server")  # type: ignore[misc]
            spec = databases_of(release.snapshot)[name]
            note.text = f"At {spec.service}" if made else f"At {spec.service}, as it was"


def _have(release: Release, name: str) -> bool:
    spec, pod = databases_of(release.snapshot)[name], release.revision.pod
    service = sharing.service_for(spec.service, spec.server.kind, release.engine)
    found = databases.credentials(release.revision, name, spec.credentials)
    return sharing.have(
        service, pod=pod, resource=name, database=shared_name(pod.pk, name), password=found.password,
        version=spec.credentials,
    )  # fmt: skip


def release_unused(pod_id: str) -> None:
    """Lock what the live revision has no more. Never raises: the next deployment does it again."""
    pod = Pod.objects.select_related("live").filter(pk=pod_id).first()
    rows = Allotment.objects.filter(pod=pod_id, released_at=None).select_related("service")
    if pod is None or not rows or Deployment.objects.filter(pod=pod, state__in=OPEN_STATES).exists():
        return
    used = {
        (spec.service, shared_name(pod_id, name))
        for name, spec in (databases_of(pod.live.snapshot()).items() if pod.live else ())
    }
    for row in rows:
        if (row.service.name, row.database) not in used:
            try:
                sharing.release(row)
            except PlatformError as error:
                log.info("released_later", database=row.database, error=str(error))


def release_all(pod_id: str) -> None:
    """Lock everything of a pod that is deleted. A server that is away is not waited for."""
    for row in Allotment.objects.filter(pod=pod_id, released_at=None).select_related("service"):
        sharing.release(row)
