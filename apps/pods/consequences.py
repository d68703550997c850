"""The sentences of a plan: (action, consequence[, destructive]) for each resource."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apps.pods import kinds
from apps.pods.contents import apps_of, databases_of, disks_of, routes_of
from apps.pods.diff import flatten
from apps.pods.environment import started_with
from apps.pods.kinds.app import RESTING
from apps.pods.kinds.app import Spec as App
from apps.pods.kinds.route import Spec as Route
from apps.pods.models import Snapshot

Line = tuple[Any, ...]
_ORDER = ("Config", "Disk", "PostgresDB", "MariaDB", "Valkey", "App", "Route")
_SCALING = (
    "scaling", "replicas", "minReplicas", "maxReplicas", "targetCpu", "targetMemory", "scaleCooldown", "sleepAfter",
)  # fmt: skip
_QUIET = (
    "healthCheckType", "healthCheckPath", "healthCheckCommand", "healthCheckTimeout", "healthCheckInterval",
    "healthCheckThreshold", "healthCheckAttemptTimeout", "source.watchPaths", "build.cache", "mcpKey", *_SCALING,
)  # fmt: skip
_SAME: Line = ("no-op", "no change")


def order(kind: str) -> int:
    """Where a kind stands in a plan: what others need comes first."""
    return _ORDER.index(kind) if kind in _ORDER else 1


def app_line(name: str, before: Snapshot, after: Snapshot, stored: frozenset[str], *, moved: str = "") -> Line:
    """`moved`: what the engine is called that all that runs goes to."""
    app = apps_of(after)[name]
    built = name in stored
    old = apps_of(before).get(name)
    if old is None:
        how = "its stored build" if built else _from(app)
        if app.type in RESTING:
            does, then = ("serves", "serves it") if app.type == "static" else ("runs the jobs of", "runs its jobs")
            return ("create", f"{does} {name} from {how}" if built else f"builds {name} from {how}, then {then}")
        return ("create", f"starts {name} from {how}" if built else f"builds {name} from {how}, then starts it")
    if not built:
        there = f" for {moved}" if moved and app.type != "static" else ""
        return ("rebuild", f"rebuilds {name}{there} from {_from(app)}, {_after_build(old, app)}")
    if app.type == old.type and app.type in RESTING:
        if flatten(before[name]) == flatten(after[name]):
            return _SAME
        if app.type == "static" and old.spaFallback != app.spaFallback:
            return ("update", f"{name}: unknown paths get {'index.html' if app.spaFallback else '404'} from now on")
        return ("update", f"serves {name} from its stored build" if app.type == "static" else _clocks(name, old, app))
    if app.type == "job":
        return ("update", f"stops {name}; from then on only its jobs run")
    if moved:
        return ("restart", f"starts {name} anew on {moved}{_pause(old, app)}")
    if _runs(name, before) != _runs(name, after):
        return ("restart", f"restarts {name}{_pause(old, app)}")
    if _count(old) != _count(app):
        return ("update", f"{name} goes from {_count(old)} to {_count(app)} replicas, no downtime")
    if flatten(before[name]) != flatten(after[name]):
        return ("update", f"{name} keeps running; {_settings(old, app)} from now on")
    return _SAME


def _settings(old: App, new: App) -> str:
    if old.mcpKey != new.mcpKey:
        return "clients need a key" if new.mcpKey else "clients need no key"
    return "its new settings count"


def _clocks(name: str, old: App, new: App) -> str:
    """What changes of an app that runs by the clock alone."""
    before, after = {job.name for job in old.jobs}, {job.name for job in new.jobs}
    said = [f"runs {' and '.join(sorted(after - before))}"] if after - before else []
    said += [f"no longer runs {' and '.join(sorted(before - after))}"] if before - after else []
    return f"{name} {' and '.join(said)}" if said else f"the next runs of {name} have its new settings"


def _from(app: App) -> str:
    return app.source.commit[:7] or app.source.branch or "the default branch"


def _after_build(old: App, new: App) -> str:
    if new.type in RESTING:
        return "no downtime" if new.type == "static" else "then its jobs run what is new"
    return f"then restarts it{_pause(old, new)}"


def _count(app: App) -> str:
    return f"{app.minReplicas}-{app.maxReplicas}" if app.scaling == "auto" else str(app.replicas)


def _pause(old: App, new: App) -> str:
    if old.disks or new.disks:
        return " with a short pause: its disk has one writer"
    return ", no downtime" if new.listens else ": the old one stops once the new one runs"


def _runs(name: str, snapshot: Snapshot) -> dict[str, Any]:
    """All that an instance of the app is started with; a difference means another instance."""
    flat = flatten(snapshot[name])
    own = {k: v for k, v in flat.items() if k not in _QUIET and not k.startswith(("env", "configs", "jobs"))}
    return own | started_with(snapshot, name)


def other_line(name: str, before: Snapshot, after: Snapshot, stored: frozenset[str]) -> Line:
    old, new = before.get(name), after[name]
    fresh = old is None or old.kind != new.kind
    if old and not fresh and flatten(old) == flatten(new):
        return _SAME
    match new.kind:
        case "Disk":
            size, now = disks_of(after)[name].size, 0 if fresh else disks_of(before)[name].size
            if fresh or old is None:
                return ("create", f"makes the empty disk {name} of {size} GB")
            if size < now:
                return ("no-op", f"disk {name} keeps its {now} GB: a disk never shrinks")
            return ("update", f"disk {name} grows from {now} to {size} GB; what is on it stays")
        case "Route":
            return _route(None if fresh else routes_of(before)[name], routes_of(after)[name])
        case "Config":
            return ("create" if fresh else "update", _config(name, before, after, stored, fresh=fresh))
        case _:
            return _database(name, None if fresh else before, after)


def _database(name: str, before: Snapshot | None, after: Snapshot) -> Line:
    new = databases_of(after)[name]
    if before is None and new.service:
        what = f"the database {name}" if new.server.users else f"a user with keys of its own for {name}"
        return ("create", f"makes {what} at the shared server {new.service}")
    if before is None:
        return ("create", f"starts {name}, {new.server.title} {new.version} on disk {new.disk}")
    old = databases_of(before)[name]
    if new.service:
        return ("update", f"gives {name} a new password, and restarts the apps that refer to it")
    what = "with new passwords" if old.credentials != new.credentials else f"as {new.instance}"
    return ("restart", f"restarts {name} {what}; apps cannot reach it for a moment")


def _route(old: Route | None, new: Route) -> Line:
    host, apps = new.hostname, " and ".join(dict.fromkeys(rule.app for rule in reversed(new.rules)))
    action = "update" if old else "create"
    if old and old.model_copy(update={"domains": new.domains}) == new:
        return _SAME  # a domain has a line of its own
    if not new.enabled:
        return (action, f"{host} answers 403: the route is disabled")
    if new.maintenance:
        return (action, f"{host} answers with the maintenance page")
    if old is None:
        return (action, f"traffic of {host} goes to {apps}")
    if old.rules != new.rules:
        return (action, f"traffic of {host} moves to {apps}")
    if (old.enabled, old.maintenance) != (True, False):
        return (action, f"traffic of {host} goes to {apps} again")
    said = list(_gates(old, new))
    return (action, f"{host} {' and '.join(said) or 'has new limits'}, no downtime")


def _gates(old: Route, new: Route) -> Iterator[str]:
    """What changes before the apps are asked, and of whether they are, in words behind the host."""
    if (old.password, old.passwordUser) != (new.password, new.passwordUser) and (old.password or new.password):
        asks = "asks for another password" if old.password else "asks for a password"
        yield asks if new.password else "no longer asks for a password"
    if old.allowFrom != new.allowFrom:
        yield "lets in other addresses" if new.allowFrom else "lets everybody in"
    if old.httpsOnly != new.httpsOnly:
        yield "sends http to https" if new.httpsOnly else "answers by http too"
    if old.cache != new.cache:
        yield "keeps answers at the edge" if new.cache else "no longer keeps answers at the edge"
    if (old.redirects, old.www) != (new.redirects, new.www):
        yield "has other redirects"
    if (old.headers, old.hsts, old.gzip) != (new.headers, new.hsts, new.gzip):
        yield "has other headers"


def _config(name: str, before: Snapshot, after: Snapshot, stored: frozenset[str], *, fresh: bool) -> str:
    users = [
        app
        for app, spec in apps_of(after).items()
        if (name in spec.configs or any(mount.config == name for mount in spec.mounts) or _mentions(spec, name))
        and app_line(app, before, after, stored)[0] in ("create", "rebuild", "restart")
    ]
    what = f"adds {name}" if fresh else f"changes {name}"
    return f"{what}; {' and '.join(users)} will have it" if users else f"{what}; no app has to restart"


def _mentions(app: App, name: str) -> bool:
    return any(f"${{{name}." in variable.value for variable in app.env)


def gone_line(name: str, before: Snapshot) -> Line:
    match before[name].kind:
        case "Disk":
            return ("destroy", f"destroys disk {name} and everything on it", True)
        case "App":
            return ("destroy", f"stops {name} and removes it")
        case "Route":
            return ("destroy", f"{before[name].spec.get('hostname') or name} stops answering")
        case kind if kinds.get(kind).server and before[name].spec.get("server"):
            server = before[name].spec["server"]
            return ("destroy", f"removes {name}; its data stays at {server}, locked, until an operator drops it")
        case kind if kinds.get(kind).server:
            return ("destroy", f"stops {name} and removes it; its data stays on disk {databases_of(before)[name].disk}")
        case _:
            return ("destroy", f"removes {name}; its secrets are kept for rollbacks")
