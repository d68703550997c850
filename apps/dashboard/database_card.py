"""What the page of a database shows of it: what runs, where its data is, and what apps write to reach it."""

from __future__ import annotations

from dataclasses import dataclass

from apps.core.errors import PlatformError
from apps.dashboard.pod_map import used_by_apps
from apps.metrics import disks
from apps.pods import kinds, moving
from apps.pods.contents import size_of
from apps.pods.databases import access
from apps.pods.models import Resource, Snapshot
from apps.servers.base import Access

HIDDEN = "••••••••"
_STANDS_FOR = "HIDDEN"  # letters that no address has to quote


@dataclass(frozen=True, slots=True)
class Card:
    """`ways`: a reference, and what it stands for where it runs, without the password. `apps`: those that refer to it.

    `live`: whether it is deployed. `gauge`: of its disk.
    """

    title: str
    port: int
    disk: str
    gauge: disks.Gauge | None
    ways: list[tuple[str, str]]
    apps: list[str]
    live: bool


def database_card(resource: Resource, live: Resource | None, around: Snapshot) -> Card | None:
    """None for what is no database."""
    kind = kinds.get(resource.kind)
    if kind.server is None:
        return None
    shown = live if live and live.kind == resource.kind else resource
    spec = kind.read(shown.spec)
    revision = shown.revision
    try:
        way = access(moving.engine_of(revision), revision.pod_id, resource.name, spec, _STANDS_FOR)
    except PlatformError:
        way = kind.server.access(resource.name, _STANDS_FOR)
    return Card(
        title=f"{kind.server.title} at {spec.service}" if spec.service else f"{kind.server.title} {spec.version}",
        port=kind.server.port,
        disk=spec.disk,
        gauge=_gauge(shown, spec.disk) if live and spec.disk else None,
        ways=ways(resource.name, way),
        apps=used_by_apps(around, resource.name),
        live=live is not None,
    )


def ways(name: str, access: Access) -> list[tuple[str, str]]:
    """The references to a database, the whole address first, with what each stands for."""
    found = access.attributes()
    ordered = sorted(found, key=lambda attribute: (attribute != "uri", attribute == "password"))
    return [(f"${{{name}.{attribute}}}", found[attribute].replace(_STANDS_FOR, HIDDEN)) for attribute in ordered]


def _gauge(database: Resource, disk: str) -> disks.Gauge | None:
    sizes = {it.name: size_of(it) for it in database.revision.resources.filter(kind="Disk", name=disk)}
    return disks.gauge(database.revision.pod_id, disk, sizes[disk]) if disk in sizes else None
