"""What the pages of one resource show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.urls import reverse

from apps.builds.inputs import has_source
from apps.core.errors import NotFound
from apps.dashboard import backup_pages
from apps.dashboard.cache_card import cache_card
from apps.dashboard.certificate_card import certificate_card
from apps.dashboard.database_card import database_card
from apps.dashboard.disk_card import disk_card
from apps.dashboard.domain_card import domain_card
from apps.dashboard.job_pages import jobs_card
from apps.dashboard.key_card import key_card
from apps.dashboard.life import life
from apps.dashboard.pod_map import live_state, rest_of, shown_snapshot
from apps.dashboard.pod_states import running, silence
from apps.dashboard.push_card import push_card, tick
from apps.dashboard.repository_pages import pickers
from apps.dashboard.resource_forms import ResourceForm
from apps.dashboard.revision_pages import settings_of
from apps.dashboard.route_card import route_card
from apps.deployments import feed
from apps.deployments.models import Workload
from apps.edge import edge
from apps.hooks.panel import own_hook
from apps.logs.history import initial
from apps.metrics import disks
from apps.pods import kinds
from apps.pods.contents import size_of
from apps.pods.databases import newest_here
from apps.pods.models import Pod, Resource, Snapshot
from apps.pods.references import referenced

EVENTS = 15  # the newest, on the overview
TABS: dict[str, Callable[[kinds.Kind[Any]], bool]] = {
    "overview": lambda _: True,
    "metrics": lambda kind: kind.runs or kind.name == "Route",
    "requests": lambda kind: kind.name in ("App", "Route"),
    "configuration": lambda _: True,
    "deployments": lambda kind: kind.name == "App",
}
"""The parts of a resource's page, and which kinds have them."""


def tabs_of(resource: Resource) -> list[str]:
    return [name for name, has in TABS.items() if has(kinds.get(resource.kind))]


def tab_of(resource: Resource, asked: str) -> str:
    """The part that is asked for, if its kind has it."""
    return asked if asked in tabs_of(resource) else "overview"


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
    version = newest_here(kind, pod.draft or pod.head)
    return ResourceForm(kind, kind.blank() | ({"version": version} if version else {}), shown_snapshot(pod))


def edit_form(pod: Pod, resource: Resource, around: Snapshot) -> ResourceForm:
    kind = kinds.get(resource.kind)
    live = pod.live is not None and resource.name in pod.live.snapshot()
    spec = kind.read(resource.spec).model_dump(mode="json")
    form = ResourceForm(kind, spec, around, name=resource.name, live=live)
    tick(form, pod, resource)
    return form


def edit_context(pod: Pod, resource: Resource, form: ResourceForm) -> dict[str, Any]:
    """The configuration: the form, and what belongs to it."""
    cache = cache_card(pod, resource.name) if has_source(resource) else None
    nginx = edge().shown(f"{pod.pk}/{resource.name}") if resource.kind == "Route" else None
    found = {"part": "configuration", "form": form, "seen_token": resource.token, "cache": cache, "nginx": nginx}
    return found | {"pickers": pickers(pod) if resource.kind == "App" else []}


def resource_context(pod: Pod, resource: Resource, around: Snapshot, query: Mapping[str, str]) -> dict[str, Any]:
    """The overview: state, instances, and the log of one of them (`?instance=<id>`)."""
    live = pod.live.snapshot().get(resource.name) if pod.live else None
    kind = kinds.get(resource.kind)
    rows = list(pod.workloads.filter(app=resource.name, stopped_at=None).select_related("revision"))
    instances = running([row for row in rows if row.serving])
    control = pod.controls.filter(app=resource.name).select_related("stopped_by").first()
    state = live_state(resource, live, rest_of(control), rows)
    return {
        "resource": resource,
        "kind": kind,
        "wrong": kind.wrong(resource.spec),
        "tabs": tabs_of(resource),
        "look_state": state,
        "seen": instances.seen if state == "unknown" else None,
        "instances": rows,
        "silence": silence,
        "events": list(feed.of_app(pod, resource.name)[:EVENTS]) if kind.runs or kind.name in ("Route", "Disk") else [],
        "lookup": pod.lookups.filter(app=resource.name, state="asking").first(),
        "settings": _settings(resource, live),
        "life": life(pod, live, control),
        "removed": resource.name not in around,
        "gauge": disks.gauge(pod.pk, resource.name, size_of(live)) if live and live.kind == "Disk" else None,
        "keeps_answers": bool(live and live.kind == "Route" and live.spec.get("cache")),
        "jobs": jobs_card(pod, resource.name) if resource.kind == "App" else None,
        "keys": key_card(pod, resource),
        "push": push_card(pod, resource),
        "own_hook": own_hook(pod, resource),
        "disk": disk_card(pod, live),
        "database": database_card(resource, live, around),
        "backup": backup_pages.card_of(pod, resource.name) if kind.server or kind.name == "Disk" else None,
        "route": route_card(pod, resource),
        "domains": domain_card(pod, resource, around),
        "certificates": certificate_card(pod, resource),
        "used_by": sorted(name for name in around if resource.name in _references(around, name)),
    } | _log(pod, _chosen(pod, resource, rows, query.get("instance", "")))


def _settings(resource: Resource, live: Resource | None) -> list[tuple[str, Any]]:
    """The jobs that are live have a card of their own."""
    shown = live is not None and live.spec.get("jobs") == resource.spec.get("jobs")
    return [one for one in settings_of(resource) if not (shown and one[0].startswith("jobs."))]


def _references(around: Snapshot, name: str) -> set[str]:
    """What `name` needs, and what its values speak of."""
    kind = kinds.get(around[name].kind)
    spoken = referenced(around, name) if kind.name == "App" else set()
    return kind.references(kind.read(around[name].spec)) | spoken


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
