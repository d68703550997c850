"""The resources of a pod as a map: routes → apps → disks and configs, with live states and the draft's marks."""

from __future__ import annotations

import datetime
from collections import defaultdict
from dataclasses import dataclass

from django.conf import settings

from apps.dashboard.pod_states import Running, running
from apps.deployments.models import Workload
from apps.pods import kinds
from apps.pods.diff import diff
from apps.pods.models import Pod, Resource, Snapshot


@dataclass(frozen=True, slots=True)
class Node:
    """`mark`: create, update, delete or empty. `to`: the nodes a line is drawn to. `seen`: only if too long ago."""

    kind: str
    name: str
    detail: str
    to: tuple[str, ...] = ()
    mark: str = ""
    state: str = ""
    instances: str = ""
    seen: datetime.datetime | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class Map:
    routes: list[Node]
    apps: list[Node]
    stores: list[Node]

    @property
    def columns(self) -> list[tuple[str, str, list[Node]]]:
        return [
            ("Routes", "Route", self.routes),
            ("Apps", "App", self.apps),
            ("Disks and configs", "Disk", self.stores),
        ]

    def __bool__(self) -> bool:
        return bool(self.routes or self.apps or self.stores)


def shown_snapshot(pod: Pod) -> Snapshot:
    """What the editors see: the draft, or what the next one starts from."""
    revision = pod.draft or pod.head or pod.live
    return revision.snapshot() if revision else {}


def pod_map(pod: Pod) -> Map:
    live = pod.live.snapshot() if pod.live else {}
    shown = shown_snapshot(pod)
    marks = {change.name: change.change for change in diff(live, shown)}
    whole = {**{name: live[name] for name, mark in marks.items() if mark == "delete"}, **shown}
    serving: dict[str, list[Workload]] = defaultdict(list)
    for workload in pod.workloads.filter(serving=True, stopped_at=None):
        serving[workload.app].append(workload)
    found: dict[str, list[Node]] = defaultdict(list)
    for name in sorted(whole):
        node = _node(whole[name], live.get(name), marks.get(name, ""), running(serving.get(name, [])))
        found[node.kind].append(node)
    stores = [node for kind in kinds.every() if kind.name not in ("Route", "App") for node in found[kind.name]]
    return Map(found["Route"], found["App"], stores)


def _node(resource: Resource, live: Resource | None, mark: str, instances: Running) -> Node:
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
    state = live_state(live, instances)
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


def live_state(live: Resource | None, instances: Running) -> str:
    """The state of one resource: of an app what its instances say, of the others that they are live."""
    if live is None:
        return "not_deployed"
    if live.kind != "App" or live.spec.get("type") == "static":
        return "live"
    return instances.state if instances.total else "stopped"


def _count(things: object, word: str) -> str:
    number = len(things)  # type: ignore[arg-type]
    return f"{number} {word}{'' if number == 1 else 's'}"
