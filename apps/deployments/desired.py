"""What the edge should serve, read from the database: the whole of it, every time."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from apps import artifacts
from apps.builds.bundle import Manifest
from apps.builds.models import Build
from apps.core.errors import PlatformError
from apps.deployments.models import OPEN_STATES, Deployment, Workload
from apps.edge.base import Answer, EdgeState, Rule, Site
from apps.pods.models import HostName, Resource


def edge_state() -> EdgeState:
    """A site for every host name that is assigned, in a fixed order; six queries whatever their number."""
    hosts = list(
        HostName.objects.filter(pod__deleting_at=None)
        .order_by("host")
        .values_list("host", "route", "pod_id", "pod__live_id")
    )
    routes: dict[tuple[int, str], dict[str, Any]] = {
        (revision, name): spec
        for revision, name, spec in Resource.objects.filter(
            kind="Route", revision__in={live for *_, live in hosts if live}
        ).values_list("revision_id", "name", "spec")
    }
    upstreams = _upstreams()
    directories = _directories({live for *_, live in hosts if live})
    last = _last_states()
    sites = []
    for host, route, pod_id, live in hosts:
        spec = routes.get((live, route)) if live else None
        if spec is None:
            sites.append(Site(host=host, answer="not_deployed" if live else _first_answer(last.get(pod_id))))
            continue
        rules = tuple(
            Rule(
                path=_slashed(rule["path"]),
                upstreams=tuple(upstreams.get((pod_id, rule["app"]), ())),
                directory=directories.get((live, rule["app"]), ""),
                strip=bool(rule.get("strip")),
                key=f"{pod_id}:{route}:{rule['path']}",
                app=f"{pod_id}/{rule['app']}",
            )
            for rule in spec.get("rules", [])
        )
        sites.append(
            Site(
                host=host,
                answer=_answer(spec),
                rules=rules,
                timeout=spec.get("timeout", 60),
                body_mb=spec.get("bodyLimit", 100),
            )
        )
    return EdgeState(sites=tuple(sites))


def _slashed(path: str) -> str:
    return path if path.endswith("/") else f"{path}/"


def _answer(spec: dict[str, Any]) -> Answer:
    if not spec.get("enabled", True):
        return "disabled"
    return "maintenance" if spec.get("maintenance") else "live"


def _first_answer(state: str | None) -> Answer:
    """What a pod answers that was never live, by the state of its last deployment."""
    if state in OPEN_STATES:
        return "deploying"
    return "failed" if state in ("failed", "cancelled") else "not_deployed"


def _upstreams() -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    rows = Workload.objects.filter(serving=True).exclude(state="stopped").order_by("replica", "id")
    for pod_id, app, handle in rows.values_list("pod_id", "app", "handle"):
        if handle.get("address"):
            found[pod_id, app].append(handle["address"])
    return found


def _directories(revisions: set[int]) -> dict[tuple[int, str], str]:
    """Where the files of static apps are."""
    found = {}
    rows = Build.objects.filter(revision__in=revisions, artifact__kind="static")
    for revision, app, stored in rows.values_list("revision_id", "app", "artifact__manifest"):
        try:
            found[revision, app] = str(artifacts.artifacts().path(Manifest.from_json(stored).app))
        except PlatformError:
            continue  # one lost artifact is one site's trouble, not everybody's
    return found


def _last_states() -> dict[str, str]:
    never_live = Deployment.objects.filter(pod__live=None).order_by("id")
    return dict(never_live.values_list("pod_id", "state"))
