"""The specs of a snapshot as typed objects, by name and in the order of names."""

from __future__ import annotations

from typing import Any

from apps.pods import kinds
from apps.pods.kinds import app, config, disk, route
from apps.pods.models import Snapshot


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
