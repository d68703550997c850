"""What the edge should serve, read from the database: the whole of it, every time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Q

from apps import artifacts
from apps.builds.bundle import Manifest
from apps.builds.models import Build
from apps.builds.site import Settings
from apps.certificates import keeping
from apps.core.errors import PlatformError
from apps.deployments.gates import gates
from apps.deployments.models import OPEN_STATES, AppControl, Deployment, Workload
from apps.edge.base import DEFAULT, Answer, EdgeState, Rule, Site
from apps.pods.keys import counting
from apps.pods.models import HostName, Resource, RoutePassword


def edge_state() -> EdgeState:
    """A site for every host name that has an owner, in a fixed order; some eight queries whatever their number."""
    hosts = list(
        HostName.objects.owned()
        .filter(pod__deleting_at=None)
        .order_by("host")
        .values_list("host", "route", "pod_id", "pod__live_id", "pod__cache_generation", "custom")
    )
    lives = {live for _, _, _, live, _, _ in hosts if live}
    last = _last()  # of pods that were never live: what their first deployment is about to be says who is let in
    shown = lives | {revision for _, revision in last.values()}
    routes: dict[tuple[int, str], dict[str, Any]] = {
        (revision, name): spec
        for revision, name, spec in Resource.objects.filter(kind="Route", revision__in=shown).values_list(
            "revision_id", "name", "spec"
        )
    }
    domains = {(live, host): name for (live, name), spec in routes.items() for host in spec.get("domains", ())}
    passwords = any(spec.get("password") for spec in routes.values())
    facts = _Facts.of(lives, {pod_id: generation for _, _, pod_id, _, generation, _ in hosts}, passwords=passwords)
    sites = []
    for host, assigned, pod_id, live, _, custom in hosts:
        # Of a custom domain the live revision alone says which route answers: it may move from one to another.
        state, first = last.get(pod_id, ("", None))
        at = live or first or 0
        route = domains.get((at, host), "") if custom else assigned
        spec = routes.get((at, route))
        if spec is not None:
            answer = _answer(spec, "live" if live else _first_answer(state))
            sites.append(_site(facts, host, pod_id, live, route, spec, answer))
        else:
            none: Answer = "not_deployed" if live else _first_answer(state)
            sites.append(Site(host=host, answer=none, route=f"{pod_id}/{route}" if route else ""))
    return _certified(sites, {host for host, *_, custom in hosts if custom})


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of all apps: by (pod, app), or by (revision, app)."""

    upstreams: dict[tuple[str, str], list[str]]
    stopped: set[tuple[str, str]]
    sleepers: set[tuple[int, str]]
    directories: dict[tuple[int, str], dict[str, Any]]
    guards: dict[tuple[int, str], dict[str, Any]]
    hashes: dict[tuple[str, str, int], str]
    generations: dict[str, int]

    @classmethod
    def of(cls, lives: set[int], generations: dict[str, int], *, passwords: bool) -> _Facts:
        special = _special(lives)
        return cls(
            upstreams=_upstreams(),
            stopped=set(AppControl.objects.filter(stopped_at__isnull=False).values_list("pod_id", "app")),
            sleepers={row.key for row in special if row.type == "web"},
            directories=_directories(lives, {row.key: row.spa for row in special if row.type == "static"}),
            guards=_guards([row for row in special if row.type == "mcp"]),
            hashes=_hashes() if passwords else {},
            generations=generations,
        )


def _site(
    facts: _Facts, host: str, pod_id: str, live: int | None, route: str, spec: dict[str, Any], answer: Answer
) -> Site:
    return Site(
        host=host,
        answer=answer,
        rules=tuple(_rule(facts, pod_id, live or 0, route, spec, rule) for rule in spec.get("rules", [])),
        timeout=spec.get("timeout", 60),
        body_mb=spec.get("bodyLimit", 100),
        route=f"{pod_id}/{route}",
        **gates(
            spec,
            host,
            (spec.get("hostname", ""), *spec.get("domains", ())),
            hashed=facts.hashes.get((pod_id, route, spec.get("password", 0)), ""),
            https=settings.BRAINPOD.https_port > 0,
        ),
    )


def _rule(facts: _Facts, pod_id: str, live: int, route: str, spec: dict[str, Any], rule: dict[str, Any]) -> Rule:
    app = rule["app"]
    return Rule(
        path=_slashed(rule["path"]),
        upstreams=tuple(facts.upstreams.get((pod_id, app), ())),
        **facts.directories.get((live, app), {}),
        strip=bool(rule.get("strip")),
        stopped=(pod_id, app) in facts.stopped,
        sleeps=(live, app) in facts.sleepers,
        key=f"{pod_id}:{route}:{rule['path']}",
        app=f"{pod_id}/{app}",
        cache=_cached(spec, facts.generations[pod_id]) if (live, app) not in facts.guards else "",
        **facts.guards.get((live, app), {}),
    )


def _certified(sites: list[Site], custom: set[str]) -> EdgeState:
    """`sites` with what each is to be certified by: custom domains have certificates of their own."""
    config = settings.BRAINPOD
    served = keeping.served()
    names = {host: served.get(host, DEFAULT) for host in custom}
    return EdgeState(
        sites=tuple(replace(site, certificate=names[site.host]) if site.host in names else site for site in sites),
        certificate=served.get(f"*.{config.domain}", ""),
        panel=served.get(config.dashboard_host, ""),
    )


def _slashed(path: str) -> str:
    return path if path.endswith("/") else f"{path}/"


def _answer(spec: dict[str, Any], otherwise: Answer) -> Answer:
    if not spec.get("enabled", True):
        return "disabled"
    return "maintenance" if spec.get("maintenance") else otherwise


def _cached(spec: dict[str, Any], generation: int) -> str:
    return f"g-{generation}" if spec.get("cache") else ""


def _first_answer(state: str) -> Answer:
    """What a pod answers that was never live, by the state of its last deployment."""
    if state in OPEN_STATES:
        return "deploying"
    return "failed" if state in ("failed", "cancelled") else "not_deployed"


def _upstreams() -> dict[tuple[str, str], list[str]]:
    """Where requests for each app go: to its healthy instances, and to all of them while none is."""
    found: dict[tuple[str, str], list[tuple[str, bool]]] = defaultdict(list)
    rows = Workload.objects.filter(serving=True).exclude(state="stopped").order_by("replica", "id")
    for pod_id, app, handle, state in rows.values_list("pod_id", "app", "handle", "state"):
        if handle.get("address"):
            found[pod_id, app].append((handle["address"], state == "healthy"))
    return {app: [at for at, healthy in all if healthy] or [at for at, _ in all] for app, all in found.items()}


class _Special(NamedTuple):
    """An app whose rules are not the usual ones: static, MCP, or web and stopped when idle."""

    revision: int
    pod_id: str
    app: str
    type: str
    keyed: bool | None
    spa: bool | None

    @property
    def key(self) -> tuple[int, str]:
        return self.revision, self.app


def _special(revisions: set[int]) -> list[_Special]:
    which = Q(spec__type__in=("static", "mcp")) | Q(spec__type="web", spec__sleepAfter__gt=0)
    rows = Resource.objects.filter(which, kind="App", revision__in=revisions).order_by("id")
    fields = ("revision_id", "revision__pod_id", "name", "spec__type", "spec__mcpKey", "spec__spaFallback")
    return [_Special(*row) for row in rows.values_list(*fields)]


def _guards(servers: list[_Special]) -> dict[tuple[int, str], dict[str, Any]]:
    """What is special about the rules of MCP servers, by revision and app."""
    keys: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    if any(server.keyed for server in servers):
        for pod_id, app, name, digest in counting().order_by("id").values_list("pod_id", "app", "name", "digest"):
            keys[pod_id, app].append((name, digest))
    return {
        server.key: {
            "mcp": True,
            "keyed": bool(server.keyed),
            "keys": tuple(keys[server.pod_id, server.app]) if server.keyed else (),
        }
        for server in servers
    }


def _directories(revisions: set[int], fallback: dict[tuple[int, str], bool | None]) -> dict[tuple[int, str], Any]:
    """What is special about the rules of static apps: where the files are, and what their site asks for.

    `fallback`: whether what is no file is answered with the first page, None for as usual.
    """
    found = {}
    builds = Build.objects.filter(revision__in=revisions, artifact__kind="static")
    for revision, app, stored in builds.values_list("revision_id", "app", "artifact__manifest"):
        manifest = Manifest.from_json(stored)
        try:
            directory = str(artifacts.artifacts().path(manifest.app))
        except PlatformError:
            continue  # one lost artifact is one site's trouble, not everybody's
        site = Settings.from_json(manifest.site)
        spa = fallback.get((revision, app))
        found[revision, app] = {"directory": directory, "spa": True if spa is None else spa, **site.of_rule()}
    return found


def _hashes() -> dict[tuple[str, str, int], str]:
    """Of the passwords of routes, by pod, route and version."""
    rows = RoutePassword.objects.values_list("pod_id", "route", "version", "hashed")
    return {(pod_id, route, version): hashed for pod_id, route, version, hashed in rows}


def _last() -> dict[str, tuple[str, int]]:
    """State and revision of the last deployment of each pod that was never live."""
    never_live = Deployment.objects.filter(pod__live=None).order_by("id")
    return {pod_id: (state, of) for pod_id, state, of in never_live.values_list("pod_id", "state", "revision_id")}
