"""The sentences of a plan: (action, consequence[, destructive]) for each resource."""

from __future__ import annotations

from typing import Any

from apps.pods.contents import apps_of, routes_of
from apps.pods.diff import flatten
from apps.pods.environment import started_with
from apps.pods.kinds.app import Spec as App
from apps.pods.kinds.route import Spec as Route
from apps.pods.models import Snapshot

Line = tuple[Any, ...]
_ORDER = ("Config", "Disk", "App", "Route")
_QUIET = ("healthCheckPath", "healthCheckTimeout", "source.watchPaths", "build.cache", "replicas")
_SAME: Line = ("no-op", "no change")


def order(kind: str) -> int:
    """Where a kind stands in a plan: what others need comes first."""
    return _ORDER.index(kind) if kind in _ORDER else 1


def app_line(name: str, before: Snapshot, after: Snapshot, stored: frozenset[str]) -> Line:
    app = apps_of(after)[name]
    built = name in stored
    old = apps_of(before).get(name)
    if old is None:
        how = "its stored build" if built else _from(app)
        if app.type == "static":
            return ("create", f"serves {name} from {how}" if built else f"builds {name} from {how}, then serves it")
        return ("create", f"starts {name} from {how}" if built else f"builds {name} from {how}, then starts it")
    if not built:
        return ("rebuild", f"rebuilds {name} from {_from(app)}, {_after_build(old, app)}")
    if app.type == old.type == "static":
        changed = flatten(before[name]) != flatten(after[name])
        return ("update", f"serves {name} from its stored build") if changed else _SAME
    if _runs(name, before) != _runs(name, after):
        return ("restart", f"restarts {name}{_pause(old, app)}")
    if old.replicas != app.replicas:
        return ("update", f"{name} goes from {old.replicas} to {app.replicas} replicas, no downtime")
    if flatten(before[name]) != flatten(after[name]):
        return ("update", f"{name} keeps running; its new settings count from now on")
    return _SAME


def _from(app: App) -> str:
    return app.source.commit[:7] or app.source.branch or "the default branch"


def _after_build(old: App, new: App) -> str:
    if new.type == "static":
        return "no downtime"
    return f"then restarts it{_pause(old, new)}"


def _pause(old: App, new: App) -> str:
    if old.disks or new.disks:
        return " with a short pause: its disk has one writer"
    return ", no downtime" if new.type == "web" else ": the old one stops once the new one runs"


def _runs(name: str, snapshot: Snapshot) -> dict[str, Any]:
    """All that an instance of the app is started with; a difference means another instance."""
    flat = flatten(snapshot[name])
    own = {k: v for k, v in flat.items() if k not in _QUIET and not k.startswith(("env", "configs"))}
    return own | started_with(snapshot, name)


def other_line(name: str, before: Snapshot, after: Snapshot, stored: frozenset[str]) -> Line:
    old, new = before.get(name), after[name]
    fresh = old is None or old.kind != new.kind
    if old and not fresh and flatten(old) == flatten(new):
        return _SAME
    match new.kind:
        case "Disk":
            size = new.spec["size"]
            if fresh or old is None:
                return ("create", f"makes the empty disk {name} of {size} GB")
            if size < old.spec["size"]:
                return ("no-op", f"disk {name} keeps its {old.spec['size']} GB: a disk never shrinks")
            return ("update", f"disk {name} grows from {old.spec['size']} to {size} GB; what is on it stays")
        case "Route":
            return _route(None if fresh else routes_of(before)[name], routes_of(after)[name])
        case "Config":
            return ("create" if fresh else "update", _config(name, before, after, stored, fresh=fresh))
        case _:
            return ("create" if fresh else "update", f"{'makes' if fresh else 'changes'} {name}")


def _route(old: Route | None, new: Route) -> Line:
    host, apps = new.hostname, " and ".join(dict.fromkeys(rule.app for rule in reversed(new.rules)))
    action = "update" if old else "create"
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
    return (action, f"{host} has new limits, no downtime")


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
        case _:
            return ("destroy", f"removes {name}; its secrets are kept for rollbacks")
