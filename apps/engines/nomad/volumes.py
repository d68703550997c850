"""Disks as host volumes of the cluster, made when they are first asked for. Whoever uses one goes where it is."""

from __future__ import annotations

import time

from apps.core.errors import PlatformError
from apps.engines.base import RunSpec
from apps.engines.nomad.cluster import Names
from apps.engines.nomad.server import Server

READY = 30.0  # seconds
POLL = 0.2
MAKER = "mkdir"  # the plugin that every node has


def ensure(server: Server, names: Names, spec: RunSpec) -> None:
    """Raises PlatformError("nomad_volume"). The driver raw_exec uses directories of the nodes instead."""
    if server.cluster.driver == "raw_exec":
        return
    for mount in spec.mounts:
        if mount.mode == "write":
            _ensure(server, names.volume(mount.source))


def _ensure(server: Server, name: str) -> None:
    if _ready(server, name):
        return
    volume = {
        "Name": name,
        "Namespace": server.cluster.namespace,
        "PluginID": MAKER,
        "RequestedCapabilities": [{"AccessMode": "single-node-multi-writer", "AttachmentMode": "file-system"}],
        **({"NodePool": server.cluster.node_pool} if server.cluster.node_pool else {}),
    }
    try:
        server.put("volume/host/create", {"Volume": volume})
    except PlatformError as error:
        raise PlatformError("nomad_volume", f"Nomad makes no volume for the disk: {error}", error.hint) from error
    deadline = time.monotonic() + READY
    while not _ready(server, name):
        if time.monotonic() > deadline:
            raise PlatformError("nomad_volume", "The volume for the disk is not ready.", "`nomad volume status` knows.")
        time.sleep(POLL)


def _ready(server: Server, name: str) -> bool:
    listed = server.get("volumes", type="host") or []
    return any(volume["Name"] == name and volume.get("State") == "ready" for volume in listed)
