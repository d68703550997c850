"""What visitors of a route get now, rule by rule, and why."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from apps.dashboard.pod_map import rest_of
from apps.dashboard.pod_states import running, silence
from apps.deployments import checks
from apps.deployments.models import Workload
from apps.pods.contents import routes_of
from apps.pods.models import Pod, Resource

_SLOW = "did not answer within"  # what a health check says of an app that takes too long (checks.py)
_HINTS = {
    checks.NOBODY: "The app has to listen on 0.0.0.0 and the port in the variable PORT.",
    _SLOW: "What takes longer than the route's time limit is answered 504: raise it, or answer sooner.",
    "listens": "The app has to listen on 0.0.0.0 and the port in the variable PORT.",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One rule. `state`: of its app, in the words of the design system; `why`: empty while all is well."""

    path: str
    app: str
    state: str
    gets: str
    why: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class RouteCard:
    """`instead`: what every request is answered, whatever the apps do; empty: `lines` say."""

    host: str
    lines: tuple[Line, ...]
    instead: str = ""


def route_card(pod: Pod, resource: Resource) -> RouteCard | None:
    """None for what is no route, or is not live."""
    live = pod.live.snapshot() if pod.live else {}
    route = live.get(resource.name)
    if resource.kind != "Route" or route is None or route.kind != "Route":
        return None
    serving: dict[str, list[Workload]] = defaultdict(list)
    for row in pod.workloads.filter(serving=True).exclude(state="stopped"):
        serving[row.app].append(row)
    rests = {control.app: rest_of(control) for control in pod.controls.all()}
    lines = tuple(
        _line(rule.path, live.get(rule.app), rule.app, serving[rule.app], rests.get(rule.app, ""))
        for rule in routes_of(live)[resource.name].rules
    )
    return RouteCard(route.spec.get("hostname", ""), lines, _instead(route))


def _instead(route: Resource) -> str:
    if not route.spec.get("enabled", True):
        return "The route is disabled: every request is answered 403."
    if route.spec.get("maintenance"):
        return "The maintenance page is on: every request is answered 503."
    return ""


def _line(path: str, app: Resource | None, name: str, rows: list[Workload], rests: str) -> Line:
    if app is not None and app.spec.get("type") == "static":
        return Line(path, name, "live", "its files")
    if rests == "stopped":
        return Line(path, name, "stopped", "503, a page that says so", "It was stopped.", "Start it on the app's page.")
    if rests:
        return Line(path, name, "asleep", "its answer, once it is awake", "The next request starts it.")
    if not rows:
        return Line(path, name, "stopped", "502", "No instance of it runs.", "The app's page and its log say why.")
    found = running(rows)
    bad = [row for row in rows if row.state != "healthy"]
    if not bad:
        return Line(path, name, found.state, "its answers")
    why = bad[0].failing or silence(bad[0]) or bad[0].reason or "It has not passed its health check yet."
    hint = next((said for words, said in _HINTS.items() if words in why), "The app's page and its log say more.")
    if found.healthy:
        return Line(path, name, found.state, f"the answers of {found.healthy} of {found.total} instances", why, hint)
    return Line(path, name, found.state, _gets(why), why, hint)


def _gets(why: str) -> str:
    """What the edge makes of it, as far as that follows from what the check found."""
    if _SLOW in why:
        return "504 where it takes too long"
    if " answered " in why:
        return "its answers, errors among them"
    return "502"
