"""What the pages of one resource show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from apps.builds.actions import has_source
from apps.core.errors import NotFound
from apps.dashboard.cache_card import cache_card
from apps.dashboard.pod_map import live_state, shown_snapshot
from apps.dashboard.pod_states import is_stale, running
from apps.dashboard.resource_forms import ResourceForm
from apps.dashboard.revision_pages import settings_of
from apps.deployments.models import Workload
from apps.logs.history import initial
from apps.pods import kinds
from apps.pods.models import Pod, Resource, Snapshot

TABS = ("overview", "metrics", "configuration", "deployments")


def kind_of(name: str) -> kinds.Kind[Any]:
    """The kind called `name`, however its letters are. Raises NotFound: it stands in an address."""
    found = next((kind for kind in kinds.every() if kind.name.lower() == name.lower()), None)
    if found is None:
        raise NotFound("such kind of resource")
    return found


def resource_of(pod: Pod, name: str) -> tuple[Resource, Snapshot]:
    """What editors see under `name`, or what is live and goes with the draft; and everything around it."""
    shown = shown_snapshot(pod)
    found = shown.get(name) or (pod.live.snapshot().get(name) if pod.live else None)
    if found is None:
        raise NotFound("such resource in this pod")
    return found, shown


def new_form(pod: Pod, kind: kinds.Kind[Any]) -> ResourceForm:
    return ResourceForm(kind, kind.blank(), shown_snapshot(pod))


def edit_form(pod: Pod, resource: Resource, around: Snapshot) -> ResourceForm:
    kind = kinds.get(resource.kind)
    live = pod.live is not None and resource.name in pod.live.snapshot()
    spec = kind.read(resource.spec).model_dump(mode="json")
    return ResourceForm(kind, spec, around, name=resource.name, live=live)


def edit_context(pod: Pod, resource: Resource, form: ResourceForm) -> dict[str, Any]:
    """The configuration: the form, and what belongs to it."""
    cache = cache_card(pod, resource.name) if has_source(resource) else None
    return {"part": "configuration", "form": form, "seen_token": resource.token, "cache": cache}


def resource_context(pod: Pod, resource: Resource, around: Snapshot, query: Mapping[str, str]) -> dict[str, Any]:
    """The overview: state, instances, and the log of one of them (`?instance=<id>`)."""
    live = pod.live.snapshot().get(resource.name) if pod.live else None
    rows = list(pod.workloads.filter(app=resource.name, stopped_at=None).select_related("revision"))
    instances = running([row for row in rows if row.serving])
    state = live_state(live, instances)
    return {
        "resource": resource,
        "kind": kinds.get(resource.kind),
        "look_state": state,
        "seen": instances.seen if state == "unknown" else None,
        "instances": rows,
        "is_stale": is_stale,
        "settings": settings_of(resource),
        "removed": resource.name not in around,
        "used_by": sorted(name for name, item in around.items() if resource.name in _references(item)),
    } | _log(pod, _chosen(pod, resource, rows, query.get("instance", "")))


def _references(resource: Resource) -> set[str]:
    kind = kinds.get(resource.kind)
    return kind.references(kind.read(resource.spec))


def _chosen(pod: Pod, resource: Resource, rows: list[Workload], wanted: str) -> Workload | None:
    """The instance asked for, else one that serves, else the newest, else the last there was."""
    if wanted:
        return pod.workloads.filter(app=resource.name, pk=wanted).first()
    serving = [row for row in rows if row.serving] or rows
    return serving[0] if serving else pod.workloads.filter(app=resource.name).order_by("-id").first()


def _log(pod: Pod, instance: Workload | None) -> dict[str, Any]:
    if instance is None:
        return {"instance": None}
    return {
        "instance": instance,
        "stream": instance.stream,
        "log": initial(instance.stream),
        "history_url": reverse("workload-log", args=[pod.name, instance.pk]),
    }
