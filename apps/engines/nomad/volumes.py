"""Disks as host volumes of the cluster, made when they are first asked for, removed with the disk.

Whoever uses one goes where it is.
"""

from __future__ import annotations

import time
from contextlib import suppress

from apps.core.errors import PlatformError, Unavailable
from apps.engines.base import RunSpec
from apps.engines.nomad.cluster import Names
from apps.engines.nomad.server import Body, Missing, Server

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
        "Parameters": {"mode": "0777"},  # who the tasks are is the image's or the driver's to say
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
    return any(volume.get("State") == "ready" for volume in named(server, name))


def named(server: Server, name: str) -> list[Body]:
    """The volumes of that name: one, unless somebody made others."""
    return [one for one in _all(server) if one["Name"] == name]


def of(server: Server, names: Names) -> list[Body]:
    """Those of all disks of this platform; none where Nomad makes none yet."""
    with suppress(Missing):
        return [one for one in _all(server) if one["Name"].startswith(names.jobs)]
    return []


def _all(server: Server) -> list[Body]:
    found: list[Body] = server.get("volumes", type="host") or []
    return found


def discard(server: Server, name: str) -> None:
    """Remove it with everything on it; nothing to do is no error. Raises PlatformError("nomad_volume").

    Where its node is away Nomad forgets it, and the directory stays on the node.
    """
    for volume in named(server, name):
        try:
            server.delete(f"volume/host/{volume['ID']}/delete", **_force(server, volume))
        except Unavailable:
            raise
        except PlatformError as error:
            words = f"Nomad does not remove the volume of a disk: {error.message}"
            raise PlatformError("nomad_volume", words, error.hint) from error


def _force(server: Server, volume: Body) -> dict[str, str]:
    nodes = server.get("nodes", resources="false") or []
    up = any(node["ID"] == volume.get("NodeID") and node["Status"] == "ready" for node in nodes)
    return {} if up else {"force": "true"}
