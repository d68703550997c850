"""The resources of a pod as a map: routes → apps → disks and configs, with live states and the draft's marks."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.conf import settings

from apps.dashboard.pod_states import Running, resting, running
from apps.deployments.models import AppControl, Workload
from apps.metrics import disks
from apps.pods import kinds
from apps.pods.contents import databases_of, size_of
from apps.pods.diff import diff
from apps.pods.kinds.app import RESTING
from apps.pods.models import Pod, Resource, Snapshot
from apps.pods.references import referenced


@dataclass(frozen=True, slots=True)
class Node:
    """`mark`: create, update, delete or empty. `to`: the nodes a line is drawn to. `seen`: only if too long ago.

    `state`: of what has one of its own. `level`: of a disk, "warning" or "full".
    """

    kind: str
    name: str
    detail: str
    to: tuple[str, ...] = ()
    mark: str = ""
    state: str = ""
    level: str = ""
    instances: str = ""
    seen: datetime.datetime | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class Map:
    routes: list[Node]
    apps: list[Node]
    databases: list[Node]
    stores: list[Node]

    @property
    def columns(self) -> list[tuple[str, str, list[Node]]]:
        """Databases have one once there are any."""
        every = [
            ("Routes", "Route", self.routes),
            ("Apps", "App", self.apps),
            ("Databases", "", self.databases),
            ("Disks and configs", "", self.stores),
        ]
        return [column for column in every if column[2] or column[0] != "Databases"]

    def __bool__(self) -> bool:
        return bool(self.routes or self.apps or self.databases or self.stores)


STILL = ("Disk", "Config")  # kinds whose resources say nothing of how they are


def shown_snapshot(pod: Pod) -> Snapshot:
    """What the editors see: the draft, or what the next one starts from."""
    revision = pod.draft or pod.head or pod.live
    return revision.snapshot() if revision else {}


def pod_map(pod: Pod) -> Map:
    live = pod.live.snapshot() if pod.live else {}
    shown = shown_snapshot(pod)
    marks = {change.name: change.change for change in diff(live, shown)}
    whole = {**{name: live[name] for name, mark in marks.items() if mark == "delete"}, **shown}
    rows: dict[str, list[Workload]] = defaultdict(list)
    for workload in pod.workloads.filter(stopped_at=None):
        rows[workload.app].append(workload)
    rests = {control.app: rest_of(control) for control in pod.controls.all()}
    found: dict[str, list[Node]] = defaultdict(list)
    usages, databases = disks.gauges(pod.pk), databases_of(whole).keys()
    for name in sorted(whole):
        node = _node(whole[name], live.get(name), marks.get(name, ""), rows.get(name, []), rests.get(name, ""))
        if node.kind == "Disk" and name in live and name in usages:
            node = _filled(node, disks.Gauge(usages[name], size_of(live[name]) * disks.GB))
        elif node.kind == "App":
            node = replace(node, to=(*node.to, *sorted(referenced(whole, name) & databases)))
        found[node.kind].append(node)
    stores = [node for kind in ("Config", "Disk") for node in found[kind]]
    return Map(found["Route"], found["App"], [node for kind in kinds.DATABASES for node in found[kind.name]], stores)


def _node(resource: Resource, live: Resource | None, mark: str, rows: list[Workload], rests: str) -> Node:
    instances = running([row for row in rows if row.serving])
    spec = kinds.get(resource.kind).read(resource.spec)
    to: tuple[str, ...] = ()
    detail = address = ""
    match resource.kind:
        case "Route":
            to = tuple(dict.fromkeys(rule.app for rule in spec.rules))
            detail = ", ".join(f"{rule.path} → {rule.app}" for rule in spec.rules)
            address = settings.BRAINPOD.url(spec.hostname) if spec.hostname else ""
        case "App":
            mounted = [mount.disk or mount.config for mount in spec.mounts]
            to = tuple(dict.fromkeys([*mounted, *spec.configs]))
            detail = f"{spec.type} · {spec.source.repo}"
        case "Disk":
            detail = f"{spec.size} GB"
        case "Config":
            detail = (
                f"{_count(spec.variables, 'variable')}, {_count(spec.secrets, 'secret')}, {_count(spec.files, 'file')}"
            )
        case _:
            to = (spec.disk,) if spec.disk else ()
            detail = f"{spec.server.title} {spec.version} · {spec.instance}"
            detail = f"{spec.server.title} at {spec.service}" if spec.service else detail
    if wrong := kinds.get(resource.kind).wrong(resource.spec):
        detail = f"cannot be deployed as it is: {wrong[0].path} {wrong[0].message}"
    state = "" if resource.kind in STILL else live_state(resource, live, rests, rows)
    return Node(
        kind=resource.kind,
        name=resource.name,
        detail=detail,
        to=to,
        mark=mark,
        state=state,
        instances=f"{instances.healthy}/{instances.total}" if instances.total else "",
        seen=instances.seen if state == "unknown" else None,
        address=address,
    )


def _filled(node: Node, gauge: disks.Gauge) -> Node:
    return replace(node, detail=f"{node.detail} · {gauge.percent} % used", level=gauge.level)


def rest_of(control: AppControl | None) -> str:
    """The word for an app that is stopped or asleep; empty for one that is to run."""
    return resting(stopped=bool(control and control.stopped_at), asleep=bool(control and control.asleep_since))


def live_state(resource: Resource, live: Resource | None, rests: str, rows: Iterable[Workload]) -> str:
    """The state of one resource: of what runs what its instances say, of the others that they are live.

    `live`: the resource as it is live, if it is. `rests`: `rest_of` it. `rows`: every instance it has.
    """
    every = list(rows)
    instances = running([row for row in every if row.serving])
    if (live or resource).spec.get("server") and kinds.get((live or resource).kind).server:
        return "active" if live else "not_deployed"
    if kinds.get((live or resource).kind).server:
        return rests or database_state(every, instances, live=live is not None)
    if live is None:
        return "not_deployed"
    if not kinds.get(live.kind).runs or live.spec.get("type") in RESTING:
        return "live"
    return rests or (instances.state if instances.total else "stopped")


def database_state(rows: list[Workload], instances: Running, *, live: bool) -> str:
    """provisioning, active, restarting, degraded; unknown, stopped, not_deployed as for apps."""
    coming = any(row.state in ("starting", "restarting") for row in rows)
    if not instances.total:
        if coming:
            return "restarting" if live else "provisioning"
        return "stopped" if live else "not_deployed"
    if instances.state == "live":
        return "active"
    return "restarting" if instances.state == "degraded" and coming else instances.state


def used_by_apps(around: Snapshot, database: str) -> list[str]:
    """The apps whose values speak of it."""
    return sorted(name for name, it in around.items() if it.kind == "App" and database in referenced(around, name))


def _count(things: object, word: str) -> str:
    number = len(things)  # type: ignore[arg-type]
    return f"{number} {word}{'' if number == 1 else 's'}"
