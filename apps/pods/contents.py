"""The specs of a snapshot as typed objects, by name and in the order of names."""

from __future__ import annotations

from typing import Any

from apps.pods import kinds
from apps.pods.kinds import app, config, database, disk, route
from apps.pods.models import Resource, Snapshot


def _of(snapshot: Snapshot, kind: str) -> dict[str, Any]:
    read = kinds.get(kind).read
    return {name: read(item.spec) for name, item in sorted(snapshot.items()) if item.kind == kind}


def apps_of(snapshot: Snapshot) -> dict[str, app.Spec]:
    return _of(snapshot, "App")


def routes_of(snapshot: Snapshot) -> dict[str, route.Spec]:
    return _of(snapshot, "Route")


def configs_of(snapshot: Snapshot) -> dict[str, config.Spec]:
    return _of(snapshot, "Config")


def disks_of(snapshot: Snapshot) -> dict[str, disk.Spec]:
    return _of(snapshot, "Disk")


def size_of(resource: Resource) -> int:
    """Of a disk, in GB."""
    size: int = kinds.get("Disk").read(resource.spec).size
    return size


def databases_of(snapshot: Snapshot) -> dict[str, database.Spec]:
    """Those of every kind, by name alone."""
    return dict(sorted(item for kind in kinds.DATABASES for item in _of(snapshot, kind.name).items()))


def disks_used(resource: Resource) -> tuple[str, ...]:
    """The disks that its instances write to."""
    if kinds.get(resource.kind).server:
        return (resource.spec["disk"],) if resource.spec.get("disk") else ()
    return tuple(mount["disk"] for mount in resource.spec.get("mounts", []) if mount.get("disk"))
