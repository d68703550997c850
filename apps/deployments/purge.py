"""What a network in front of the pod keeps is purged when something goes live, and when somebody asks for it."""

from __future__ import annotations

from apps.cdn.models import CloudflareZone
from apps.cdn.purging import purge
from apps.deployments.events import changed
from apps.deployments.recorder import Recorder
from apps.pods.models import HostName


def after_going_live(recorder: Recorder) -> None:
    """Told in the log; fails nothing. Raises LeaseLost."""
    deployment = recorder.deployment
    zone = CloudflareZone.objects.filter(pod=deployment.pod_id).first()
    if zone is None:
        return
    recorder.log.section("Purge")
    succeeded = purge(zone, hosts_of(deployment.pod_id), tick=recorder.lease.check)
    recorder.log.line(zone.result, level="info" if succeeded else "warn")


def now(pod_id: str) -> None:
    """Asked for by hand; how it went stands in the row."""
    zone = CloudflareZone.objects.filter(pod=pod_id).first()
    if zone is not None:
        purge(zone, hosts_of(pod_id), tick=lambda: None)
        changed(pod_id)


def hosts_of(pod_id: str) -> list[str]:
    """Every name the pod answers to."""
    rows = HostName.objects.owned().filter(pod=pod_id).exclude(custom=False, route="")
    return list(rows.order_by("host").values_list("host", flat=True))
