"""What a cluster has for us, and what it lacks, in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.engines.base import Capabilities
from apps.engines.nomad import volumes
from apps.engines.nomad.cluster import Cluster, Names
from apps.engines.nomad.server import Server

LOST_SINCE = (1, 8)  # the version that knows `disconnect`
DISKS_SINCE = (1, 10)  # the version that makes host volumes when asked
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def of(server: Server, names: Names) -> Capabilities:
    cluster = server.cluster
    nodes = [node for node in server.get("nodes", resources="false") or [] if node.get("Status") == "ready"]
    usable = [node for node in nodes if _usable(node, cluster)]
    disks = [] if cluster.driver == "raw_exec" else volumes.of(server, names)
    versions = sorted({node["Version"] for node in nodes}, key=numbers)
    there = f"{_count(len(usable))}{_made(disks)}"
    return Capabilities(
        sandbox=cluster.driver != "raw_exec",
        disks=bool(usable) and (cluster.driver == "raw_exec" or numbers(versions[0]) >= DISKS_SINCE),
        hosts=len(usable),
        notes=(*_notes(cluster, server, nodes, usable), *_stranded(disks, {node["ID"] for node in nodes})),
        version=f"Nomad {' and '.join(versions) or 'without nodes'} at {cluster.address}, {there}",
    )


def _usable(node: Mapping[str, Any], cluster: Cluster) -> bool:
    driver = (node.get("Drivers") or {}).get(cluster.driver) or {}
    there = node.get("SchedulingEligibility") == "eligible" and bool(driver.get("Healthy"))
    return there and (not cluster.node_pool or node.get("NodePool") == cluster.node_pool)


def _notes(
    cluster: Cluster, server: Server, nodes: list[Mapping[str, Any]], usable: list[Mapping[str, Any]]
) -> Iterable[str]:
    if not usable:
        yield f"No ready node of the cluster has the driver {cluster.driver}: nothing can be placed."
    if cluster.driver == "raw_exec":
        yield (
            "raw_exec runs apps as plain processes of the nodes, in no sandbox, and no cgroup limits their memory: "
            "only for code you trust."
        )
    old = [node for node in nodes if numbers(node["Version"]) < LOST_SINCE]
    if old:
        yield f"{_count(len(old))} older than Nomad 1.8: a node that does not answer is given up at once."
    if cluster.driver != "raw_exec" and any(numbers(node["Version"]) < DISKS_SINCE for node in nodes):
        yield "Disks need Nomad 1.10 on all nodes."
    if cluster.driver == "raw_exec" and len(usable) > 1:
        yield "Disks with raw_exec are directories of whichever node an app is on: nothing holds an app to its node."
    if not server.secure and server.host_of() not in LOOPBACK:
        yield f"{cluster.address} is not https: the token and all variables of apps travel readable."


def _made(disks: Sequence[Mapping[str, Any]]) -> str:
    return f", {len(disks)} volume{'s' if len(disks) > 1 else ''} of disks" if disks else ""


def _stranded(disks: Sequence[Mapping[str, Any]], ready: set[str]) -> Iterable[str]:
    away = sum(disk.get("NodeID") not in ready for disk in disks)
    if away:
        told = "1 disk is on a node that is" if away == 1 else f"{away} disks are on nodes that are"
        yield f"{told} not ready: what has one waits for it and runs nowhere else."


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _count(nodes: int) -> str:
    return f"{nodes} node{'' if nodes == 1 else 's'}"
