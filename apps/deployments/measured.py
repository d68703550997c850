"""What is measured: everything that is to run, whether traffic goes to it or not, and the servers that can be asked."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from apps import engines
from apps.core.errors import PlatformError
from apps.deployments import databases
from apps.deployments.models import Workload
from apps.infrastructure import credentials, workloads
from apps.infrastructure.models import SERVERS, Service, Type
from apps.metrics.databases import Database
from apps.metrics.instances import Instance
from apps.pods import kinds
from apps.pods.models import Resource
from apps.servers.base import SERVICES


def instances() -> dict[str, Instance]:
    """By the workload's id."""
    rows = Workload.objects.exclude(state="stopped").values_list("id", "pod_id", "app", "handle", "engine")
    usual = engines.default()
    found = {
        workload: Instance(pod, app, handle, engine or usual) for workload, pod, app, handle, engine in rows if handle
    }
    return found | {
        one.run: Instance(SERVICES, one.name, {**one.handle, "id": one.run}, one.engine) for one in _services()
    }


def _services() -> list[Service]:
    """The infrastructure services that were started here."""
    return [service for service in workloads.managed().exclude(run="") if service.handle]


def database_servers() -> dict[str, Database]:
    """The databases of pods that were healthy when last seen, by the workload's id, and the servers among the
    infrastructure services. Three queries."""
    rows = Workload.objects.filter(state="healthy").exclude(handle={}).select_related("revision")
    names = [kind.name for kind in kinds.DATABASES]
    specs = {
        (one.revision_id, one.name): one
        for one in Resource.objects.filter(kind__in=names, revision__in={row.revision_id for row in rows})
    }
    found = {}
    for row in rows:
        spec = specs.get((row.revision_id, row.app))
        if spec is None:
            continue
        try:
            host, port = databases.endpoint(row)
        except PlatformError:
            continue
        password = partial(_admin_password, row, spec.spec["credentials"])
        found[row.pk] = Database(row.pod_id, row.app, spec.kind, host, port, password)
    for service in _services():
        with suppress(PlatformError):
            host, port = workloads.endpoint(service)
            kind, password = SERVERS[Type(service.type)], partial(_service_password, service)
            found[service.run] = Database(SERVICES, service.name, kind, host, port, password, service.user)
    return found


def _service_password(service: Service) -> str:
    return credentials.read(service).admin_password


def _admin_password(workload: Workload, version: int) -> str:
    return databases.credentials(workload.revision, workload.app, version).admin_password
