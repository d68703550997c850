"""What can be backed up, and how each is reached now."""

from __future__ import annotations

from apps.backups.kinds import KINDS, SHARED_KEYS, disk
from apps.backups.kinds.base import At
from apps.backups.models import KIND_TITLES
from apps.core.errors import NotFound, UserError
from apps.deployments import databases
from apps.deployments.disk_paths import beside_disks
from apps.deployments.models import Workload
from apps.disks.places import disk_of
from apps.infrastructure import workloads
from apps.infrastructure.models import Allotment
from apps.pods.contents import databases_of
from apps.pods.kinds.database import Spec
from apps.pods.models import Pod, Resource, Revision
from apps.servers.base import Installed, Server


def kept(pod: Pod) -> dict[str, str]:
    """The kind of everything in what is live that can be backed up, by name.

    Not of the disk of a database, which is backed up itself.
    """
    snapshot = pod.live.snapshot() if pod.live else {}
    within = {spec.disk for spec in databases_of(snapshot).values()}
    return {
        name: SHARED_KEYS if _is_shared_keys(it) else it.kind
        for name, it in snapshot.items()
        if it.kind in KINDS and name not in within
    }


def _is_shared_keys(found: Resource) -> bool:
    return found.kind == "Valkey" and bool(found.spec.get("server"))


def check(pod: Pod, name: str, kind: str) -> None:
    """Raises NotFound where nothing of that kind is live by that name: another may be, since a backup was asked for."""
    if kept(pod).get(name) != kind:
        raise NotFound(f"{KIND_TITLES.get(kind, kind)} {name} in what is live")


def at(pod: Pod, name: str) -> At | disk.At:
    """Of what is live. Raises NotFound, UserError("backup_not_running" | "backup_tools_missing"),
    Conflict("disk_elsewhere"), Unavailable.
    """
    live = pod.live
    if live is not None and live.resources.filter(kind="Disk", name=name).exists():
        return disk.At(disk_of(pod, name))
    spec = databases_of(live.snapshot()).get(name) if live else None
    if live is None or spec is None:
        raise NotFound(f"database {name} in what is live")
    if spec.service:
        return _shared(live, name)
    workload = pod.workloads.filter(app=name, serving=True, stopped_at=None).order_by("-id").first()
    if workload is None:
        raise UserError("backup_not_running", f"{name} does not run.", "Start it: a backup is asked of the server.")
    return _server(live, spec, workload)


def coming(pod: Pod, name: str) -> At:
    """The server of a database that was started and need not serve yet. Raises what `at` raises."""
    if pod.head is not None and (found := databases_of(pod.head.snapshot()).get(name)) and found.service:
        return _shared(pod.head, name)
    rows = pod.workloads.filter(app=name, stopped_at=None).select_related("revision__pod")
    newest = rows.order_by("-id").first()
    spec = databases_of(newest.revision.snapshot()).get(name) if newest else None
    if newest is None or spec is None:
        raise UserError("backup_not_running", f"{name} does not run.", "Deploy the pod.")
    return _server(newest.revision, spec, newest)


def _server(revision: Revision, spec: Spec, workload: Workload) -> At:
    host, port = databases.endpoint(workload)
    found = databases.credentials(revision, workload.app, spec.credentials)
    data = disk_of(revision.pod, spec.disk) if spec.server.kind == "Valkey" else None
    return At(
        spec.server, spec.version, host, port, found.password, found.admin_password,
        tools(spec.server, spec.version), data, admin=spec.server.admin,
    )  # fmt: skip


def _shared(revision: Revision, name: str) -> At:
    """What the pod has at a shared server."""
    rows = Allotment.objects.select_related("service").filter(pod=revision.pod_id, resource=name, released_at=None)
    if (lent := rows.first()) is None:
        raise UserError("backup_not_running", f"{name} is not there.", "Deploy the pod.")
    server, found = workloads.server_of(lent.service), workloads.place(lent.service)
    password, version = databases.credentials(revision, name, lent.secret).password, lent.service.version
    has_keys = server.kind == "Valkey"  # which are read over the connection, by no program of this host
    return At(
        server, version, found.host, found.port, password, found.password,
        Installed(version, ()) if has_keys else tools(server, version), database=lent.database, user=lent.database,
        admin=found.user, shared=True, work=beside_disks(revision.pod_id, "incoming"),
    )  # fmt: skip


def tools(server: Server, version: str) -> Installed:
    """This host's programs of `version`; of a later one where it has none, which read and write the older as well."""
    there = server.installed()
    later = sorted((line for line in there if _number(line) >= _number(version)), key=_number)
    if not later:
        raise UserError(
            "backup_tools_missing",
            f"This host has no programs of {server.title} {version}, which make its backups.",
            f"Install the package {server.package.format(version)} on it.",
        )
    return there[later[0]]


def _number(line: str) -> tuple[int, ...]:
    return tuple(int(part) for part in line.split("."))
