"""brainpod.yaml as the resources it describes. Every problem is found, each with its line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apps.core.errors import Detail, Invalid
from apps.core.names import check_name
from apps.manifests import shapes
from apps.manifests.export import VERSION
from apps.manifests.nodes import START, Node, read, shown
from apps.manifests.problems import FileRefused, Place, Problem
from apps.pods import kinds
from apps.pods.batch import Wanted
from apps.pods.models import Snapshot
from apps.pods.resources import check_resource_name

_TOP = ("version", "pod", "engine", "resources")


@dataclass(frozen=True, slots=True)
class Manifest:
    """`nodes`: where each resource stands, by name. `pod` and `engine` are empty where the file has none."""

    pod: str
    engine: str
    resources: tuple[Wanted, ...]
    nodes: dict[str, Node] = field(repr=False)
    root: Node = field(repr=False)

    def problems(self, details: list[Detail], after: Snapshot | None = None) -> list[Problem]:
        """`details`, whose paths begin with the name of a resource, with their places. `after`: what they are about."""
        return [self._placed(detail, after or {}) for detail in details]

    def _placed(self, detail: Detail, after: Snapshot) -> Problem:
        name, _, path = detail.path.partition(".")
        if name not in self.nodes:
            node = self.root.get(name)
            return Problem(node.place if node else START, detail.path, detail.message)
        kind = next(item.kind for item in self.resources if item.name == name)
        parts = path.split(".") if path else []
        if parts[:1] == ["rules"] and len(parts) > 1 and name in after:
            parts[1] = _written_rule(self.nodes[name], after[name].spec, parts[1])
        place, said = locate(self.nodes[name], parts)
        return Problem(place, ".".join(("resources", kind, name, *said)), detail.message)


def _written_rule(node: Node, spec: dict[str, Any], index: str) -> str:
    """Which of the rules as they are written is the one at `index` of the spec, where they are sorted."""
    rules = node.get("rules")
    wanted = spec["rules"][int(index)]
    for number, entry in enumerate(rules.entries() if rules else []):
        path = entry.get("path")
        written = (path.text if path else None) or "/"
        if written.strip().rstrip("/") == wanted["path"].rstrip("/"):
            return str(number)
    return index


def locate(node: Node, parts: list[str]) -> tuple[Place, list[str]]:
    """How far `parts` lead into `node`: the place there, and the path in the file's own words."""
    place, said = node.place, list(parts)
    for number, part in enumerate(parts):
        inner: Node | None = None
        if isinstance(node.value, dict):
            key = part
            if key not in node.value and part.isdecimal() and int(part) < len(node.value):
                key = list(node.value)[int(part)]  # names and values, as a mapping here
                said[number : number + 2] = [key]
            inner = node.value.get(key)
            place = node.keys.get(key, place) if inner is not None else place
        elif part.isdecimal() and int(part) < len(node.entries()):
            inner = node.entries()[int(part)]
            place = inner.place
        elif match := next((it for it in node.entries() if it.text == part), None):
            inner, place = match, match.place
        if inner is None:
            break
        node = inner
    return place, said


def parse(content: str | bytes, *, team: str | None = None) -> Manifest:
    """The manifest in `content`, for the team with the slug `team`. Raises FileRefused with every problem."""
    return understood(read(content), team=team)


def understood(root: Node, *, team: str | None = None) -> Manifest:
    """The same of what is read already."""
    problems = list(_check_top(root))
    resources: list[Wanted] = []
    nodes: dict[str, Node] = {}
    for kind, name, place, node in _each(root, problems):
        if name in nodes:
            problems.append(Problem(place, f"resources.{kind}.{name}", "is there twice: a name is one resource's."))
            continue
        try:
            check_resource_name(name)
        except Invalid as error:
            problems += [Problem(place, f"resources.{kind}.{shown(name)}", it.message) for it in error.details]
            continue
        nodes[name] = node
        try:
            resources.append(_wanted(kind, name, node, place))
        except FileRefused as error:
            problems += error.problems
    manifest = Manifest(_word(root, "pod"), _word(root, "engine"), tuple(resources), nodes, root)
    wrong: list[Detail] = []
    for item in resources:
        wrong += _checked(item, team)
    problems += manifest.problems(wrong)
    if problems:
        raise FileRefused(problems)
    return manifest


def _word(root: Node, key: str) -> str:
    node = root.get(key)
    return (node.text or "") if node else ""


def _check_top(root: Node) -> list[Problem]:
    if not isinstance(root.value, dict):
        raise FileRefused([Problem(root.place, "", "must be a mapping with version and resources.")])
    found = [
        Problem(root.keys[key], shown(key), f"is not known here: there are {', '.join(_TOP)}.")
        for key in root.value
        if key not in _TOP
    ]
    version = root.get("version")
    if version is None or version.text != str(VERSION):
        place = root.keys.get("version", root.place)
        found.append(Problem(place, "version", f"must be {VERSION}: the version of this form of file."))
    if pod := root.get("pod"):
        try:
            check_name(pod.text or "", "", longest=40)
        except Invalid as error:
            found += [Problem(pod.place, "pod", detail.message) for detail in error.details]
    if (engine := root.get("engine")) and engine.text is None:
        found.append(Problem(engine.place, "engine", "must be the name of an engine."))
    resources = root.get("resources")
    if resources is None or not (isinstance(resources.value, dict) or resources.empty):
        place = root.keys.get("resources", root.place)
        found.append(Problem(place, "resources", "must be a mapping: kinds, beneath them names. {} for none."))
    return found


def _each(root: Node, problems: list[Problem]) -> list[tuple[str, str, Place, Node]]:
    """(kind, name, its place, its node); what is none of it goes to `problems`."""
    found = []
    resources = root.get("resources") or Node({}, START)
    for written, named in resources.items():
        place, path = resources.keys[written], f"resources.{shown(written)}"
        kind = shapes.kind_named(written)
        if not kind:
            problems.append(Problem(place, path, f"is no kind: there are {', '.join(shapes.ordered())}."))
        elif not isinstance(named.value, dict):
            if not named.empty:
                problems.append(Problem(place, path, "must be a mapping: names, beneath them their settings."))
        else:
            found += [(kind, name, named.keys[name], node) for name, node in named.items()]
    return found


def _wanted(kind: str, name: str, node: Node, place: Place) -> Wanted:
    """Raises FileRefused for what has not the shape of a resource."""
    top = f"resources.{kind}.{shown(name)}"
    if not isinstance(node.value, dict):
        if node.empty:
            return Wanted(kind, name, {})
        raise FileRefused([Problem(place, top, "must be a mapping of settings.")])
    spec, wrong, named = node.plain(), [], frozenset[str]()
    for key, inner in node.items():
        at = Problem(node.keys[key], f"{top}.{shown(key)}", "")
        if key in shapes.ASSIGNED:
            wrong.append(Problem(at.place, at.path, f"{shapes.ASSIGNED[key]}: leave it out."))
        elif key in shapes.fields(kind, "pairs") and isinstance(inner.value, dict):
            spec[key] = [{"name": it, "value": value.plain()} for it, value in inner.items()]
        elif key in shapes.fields(kind, "files") and isinstance(inner.value, dict):
            spec[key] = {it: value.plain() for it, value in inner.items()}
        elif key in shapes.fields(kind, "secrets"):
            spec.pop(key, None)
            named, words = _names(inner)
            wrong += [Problem(at.place, at.path, words)] if words else []
        elif key in shapes.fields(kind, "password"):
            spec.pop(key, None)
            if inner.text not in ("true", "false"):
                wrong.append(
                    Problem(at.place, at.path, "must be true or false: the password itself is no part of a file.")
                )
            named = frozenset({key}) if inner.text == "true" else frozenset()
    if wrong:
        raise FileRefused(wrong)
    return Wanted(kind, name, spec, named)


def _names(node: Node) -> tuple[frozenset[str], str]:
    """The names of secrets, and what is wrong with how they are written."""
    names = [entry.text for entry in node.entries()]
    if node.empty:
        return frozenset(), ""
    if not isinstance(node.value, list) or not all(names):
        return frozenset(), "must be a list of names; values of secrets never stand in a file."
    return frozenset(name for name in names if name), ""


def _checked(item: Wanted, team: str | None) -> list[Detail]:
    """What is wrong with a resource by itself, paths beginning with its name."""
    given = dict(item.spec)
    if item.kind == "Config":
        given["secrets"] = dict.fromkeys(sorted(item.named), 1)
    try:
        kinds.get(item.kind).parse(given, team=team)
    except Invalid as error:
        return [Detail(".".join(filter(None, (item.name, it.path))), it.message) for it in error.details]
    return []
