"""Which instances are measured: everything that is to run, whether traffic goes to it or not."""

from __future__ import annotations

from apps import engines
from apps.deployments.models import Workload
from apps.metrics.instances import Instance


def instances() -> dict[str, Instance]:
    """By the workload's id."""
    rows = Workload.objects.exclude(state="stopped").values_list("id", "pod_id", "app", "handle", "engine")
    usual = engines.default()
    return {
        workload: Instance(pod, app, handle, engine or usual) for workload, pod, app, handle, engine in rows if handle
    }
