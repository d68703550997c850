"""A blueprint's file as data: read, checked, and tried out with a value for every input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from apps.blueprints.filling import filled, named_in, texts, wrong_holes
from apps.blueprints.inputs import Input, answers, read_inputs
from apps.blueprints.sources import BRANCH, Sources, check_apps, read_sources
from apps.core.errors import Invalid
from apps.core.names import check_name
from apps.manifests.nodes import START, Node, read, shown
from apps.manifests.problems import FileRefused, Problem
from apps.manifests.reading import Manifest, understood
from apps.manifests.shapes import fields

VERSION = "1"
CATEGORIES = ("software", "framework")
_TOP = (
    "version", "blueprint", "title", "tagline", "description", "category", "release", "tags", "inputs", "resources",
    "secrets", "sources",
)  # fmt: skip
_PLACE = "brainpod:team/pod/{app}"  # stands for the repository of an app until there is a pod


@dataclass(frozen=True, slots=True)
class Blueprint:
    """`name` is what it is found by. `release`: of what it installs."""

    name: str
    title: str
    tagline: str
    description: str
    category: str
    release: str
    tags: tuple[str, ...]
    inputs: tuple[Input, ...]
    sources: Mapping[str, Sources]
    _root: Node = field(repr=False)

    def manifest(
        self, given: Mapping[str, str], *, team: str | None, address: Mapping[str, str],
        versions: Mapping[str, str] = MappingProxyType({}),
    ) -> Manifest:  # fmt: skip
        """Its resources with `given` for its inputs. `address`: of the repository of each app that has sources.
        `versions`: by kind, of databases for which the blueprint names none; empty: the kind's usual one.

        Raises FileRefused.
        """
        return understood(_resources(self._root, given, address, versions), team=team)

    def secrets(self, given: Mapping[str, str]) -> dict[tuple[str, str], str]:
        """(resource, secret) → its value; what was left empty is not among them."""
        node = self._root.get("secrets") or Node({}, START)
        return {
            (name, secret): value.text or ""
            for name, named in filled(node, given).items()
            for secret, value in named.items()
            if value.text
        }

    def makes(self) -> list[tuple[str, str]]:
        """(kind, name) of its resources, as they are written."""
        kinds = self._root.get("resources") or Node({}, START)
        return [(kind, name) for kind, named in kinds.items() for name, _ in named.items()]

    def answers(self, given: Mapping[str, Any]) -> dict[str, str]:
        """A value for every input. Raises Invalid, paths being the names of inputs."""
        return answers(self.inputs, given)


def read_blueprint(content: str | bytes, *, beside: Path | None = None) -> Blueprint:
    """The blueprint in `content`. `beside`: where folders that it names are. Raises FileRefused with every problem."""
    root = read(content)
    if not isinstance(root.value, dict):
        raise FileRefused([Problem(root.place, "", "must be a mapping with version, blueprint, title and resources.")])
    problems: list[Problem] = [
        Problem(root.keys[key], shown(key), f"is not known here: there are {', '.join(_TOP)}.")
        for key in root.value
        if key not in _TOP
    ]
    words = _words(root, problems)
    inputs = read_inputs(root.get("inputs"), problems)
    sources = read_sources(root.get("sources"), beside, problems)
    made = Blueprint(
        words["blueprint"], words["title"], words["tagline"], words["description"], words["category"] or CATEGORIES[0],
        words["release"], _tags(root, problems), inputs, sources, root,
    )  # fmt: skip
    problems += _holes(root, inputs)
    problems += _apps(root, sources)
    if problems:
        raise FileRefused(problems)
    _try_out(made)
    return made


def _words(root: Node, problems: list[Problem]) -> dict[str, str]:
    found = {}
    lengths = {"blueprint": 40, "title": 80, "tagline": 200, "description": 20_000, "category": 20, "release": 40}
    for key, longest in lengths.items():
        node = root.get(key)
        found[key] = (node.text or "").strip() if node else ""
        if node is not None and (node.text is None or len(node.text) > longest):
            problems.append(Problem(node.place, key, f"must be text of at most {longest} characters."))
        elif not found[key] and key in ("blueprint", "title"):
            problems.append(Problem(root.keys.get(key, root.place), key, "must be given."))
    version = root.get("version")
    if version is None or version.text != VERSION:
        words = f"must be {VERSION}: the version of this form of file."
        problems.append(Problem(root.keys.get("version", root.place), "version", words))
    if found["category"] and found["category"] not in CATEGORIES:
        problems.append(Problem(root.keys["category"], "category", f"must be one of {', '.join(CATEGORIES)}."))
    try:
        check_name(found["blueprint"] or "x", "", longest=40)
    except Invalid as error:
        problems += [Problem(root.keys["blueprint"], "blueprint", one.message) for one in error.details]
    return found


def _tags(root: Node, problems: list[Problem]) -> tuple[str, ...]:
    node = root.get("tags")
    if node is None or node.empty:
        return ()
    entries = node.entries()
    if not entries or len(entries) > 12 or not all(one.text and len(one.text) <= 30 for one in entries):
        problems.append(Problem(node.place, "tags", "must be a list of up to 12 words of at most 30 characters."))
        return ()
    return tuple(one.text or "" for one in entries)


def _holes(root: Node, inputs: tuple[Input, ...]) -> list[Problem]:
    """Holes that cannot be filled, secrets where everybody reads them, and inputs that nothing asks for."""
    names, secret = {one.name for one in inputs}, {one.name for one in inputs if one.secret}
    found: list[Problem] = []
    used: set[str] = set()
    for key in ("resources", "secrets"):
        node = root.get(key)
        if node is None:
            continue
        found += wrong_holes(node, key, names)
        for path, place, text, _ in texts(node, key):
            used |= set(named_in(text))
            if key == "resources" and (shown_here := sorted(secret & set(named_in(text)))):
                words = f"would show inputs.{shown_here[0]}, which is a secret: put it into a Config's secrets."
                found.append(Problem(place, path, words))
    node = root.get("inputs")
    for one in inputs:
        if one.name not in used and node is not None and one.name in node.keys:
            found.append(Problem(node.keys[one.name], f"inputs.{one.name}", "is used nowhere: use it, or ask nothing."))
    return found


def _apps(root: Node, sources: Mapping[str, Sources]) -> list[Problem]:
    """Sources of what is no app of this blueprint."""
    node = root.get("sources")
    if node is None or not sources:
        return []
    wrong = check_apps(sources, _named(root, "App"), node)
    return [Problem(node.keys[one.path], f"sources.{shown(one.path)}", one.message) for one in wrong]


def _named(root: Node, kind: str) -> dict[str, Node]:
    resources = root.get("resources")
    found = resources.get(kind) if resources else None
    return dict(found.items()) if found else {}


def _resources(
    root: Node, given: Mapping[str, str], address: Mapping[str, str], versions: Mapping[str, str]
) -> Node:  # fmt: skip
    """A brainpod.yaml: what is asked filled in, the repositories of the apps whose sources are brought along, and the
    versions of databases that are left to where it is installed."""
    found = root.get("resources")
    top: dict[str, Node] = {"version": Node("1", START)}
    if found is not None:
        top["resources"] = filled(found, given)
        apps = top["resources"].get("App")
        if apps is not None and isinstance(apps.value, dict):
            for app, repo in address.items():
                apps.value[app] = _built_from(apps.value[app], repo)
        for kind, version in versions.items():
            named = top["resources"].get(kind)
            if named is not None and isinstance(named.value, dict) and version:
                for name, database in named.items():
                    named.value[name] = _of_version(database, version)
    return Node(top, root.place, keys={key: root.keys.get(key, root.place) for key in top})


def _of_version(database: Node, version: str) -> Node:
    """The database with its version, unless it says one or is at a shared server, which has its own."""
    if not isinstance(database.value, dict) or {"version", "server"} & database.value.keys():
        return database
    said = Node(version, database.place)
    return replace(database, value=database.value | {"version": said}, keys=database.keys | {"version": database.place})


def _built_from(app: Node, repo: str) -> Node:
    """The app with where its code is."""
    if not isinstance(app.value, dict):
        if not app.empty:
            return app
        app = Node({}, app.place)
    assert isinstance(app.value, dict)
    said = app.value.get("source")
    old = dict(said.value) if said and isinstance(said.value, dict) else {}
    at = app.place
    source = Node(
        old | {"repo": Node(repo, at), "branch": Node(BRANCH, at)},
        at,
        keys={**(said.keys if said else {}), "repo": at, "branch": at},
    )
    return replace(app, value=app.value | {"source": source}, keys=app.keys | {"source": at})


def _try_out(made: Blueprint) -> None:
    """With everything given, and with what may be left empty left so. Raises FileRefused."""
    address = {app: _PLACE.format(app=app) for app in made.sources}
    everything = {one.name: one.sample for one in made.inputs}
    least = {
        one.name: one.sample if one.required or one.generate or one.default or one.kind == "boolean" else ""
        for one in made.inputs
    }
    for given in (everything, least):
        _check_secrets(made, made.manifest(given, team=None, address=address))


def _check_secrets(made: Blueprint, manifest: Manifest) -> None:
    """Every secret that a resource names has a value here, and every value a secret that is named."""
    named = {(item.name, secret) for item in manifest.resources for secret in item.named}
    node = made._root.get("secrets") or Node({}, START)
    given = {(name, secret): inner.keys[secret] for name, inner in node.items() for secret, _ in inner.items()}
    found = []
    for name, secret in sorted(named - given.keys()):
        words = f"has no value: give it one beneath secrets.{name}."
        kind = next(item.kind for item in manifest.resources if item.name == name)
        field_name = min(fields(kind, "secrets") | fields(kind, "password"))
        found.append(Problem(manifest.nodes[name].place, f"resources.{kind}.{name}.{field_name}.{secret}", words))
    for name, secret in sorted(given.keys() - named):
        words = "is a value for a secret that no resource names: name it there, or leave it out."
        found.append(Problem(given[name, secret], f"secrets.{shown(name)}.{shown(secret)}", words))
    empty = {one.name for one in made.inputs if not (one.required or one.generate or one.default)}
    for name, inner in node.items():
        for secret, value in inner.items():
            holes = named_in(value.text or "")
            if holes and set(holes) <= empty and (value.text or "").strip().startswith("{{"):
                words = f"would have no value where inputs.{holes[0]} is left empty: make that input required."
                found.append(Problem(inner.keys[secret], f"secrets.{shown(name)}.{shown(secret)}", words))
    if found:
        raise FileRefused(found)
