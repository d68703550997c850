"""References in values: `${name.attr}`, filled in when an app is started.

What does not resolve stays as it is written, with a warning; so does a reference in a circle. Everything else of a
value, every other `$` included, is kept byte for byte. There is no escape: what names nothing is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from django.conf import settings

from apps.pods.contents import apps_of, configs_of, routes_of
from apps.pods.kinds.types import LARGEST_VALUE
from apps.pods.models import Snapshot
from apps.servers.base import Access

_REFERENCE = re.compile(r"\$\{([a-z][a-z0-9-]{0,62})\.([A-Za-z_][A-Za-z0-9_]{0,254})\}")


@dataclass(frozen=True, slots=True)
class Reference:
    name: str
    attr: str

    def __str__(self) -> str:
        return f"${{{self.name}.{self.attr}}}"


def references_in(text: str) -> list[Reference]:
    """The references in `text`, in their order."""
    return [Reference(*match.groups()) for match in _REFERENCE.finditer(text)]


def referenced(snapshot: Snapshot, app: str) -> set[str]:
    """The names of the resources whose specs decide what the values of `app` become, through any number of steps."""
    configs, routes = configs_of(snapshot), routes_of(snapshot)
    spec = apps_of(snapshot)[app]
    texts = [variable.value for variable in spec.env]
    texts += [v.value for name in spec.configs if name in configs for v in configs[name].variables]
    found: set[str] = set()
    while texts:
        for name in {ref.name for ref in references_in(texts.pop())} - found:
            found.add(name)
            found |= {route for route, to in routes.items() if any(rule.app == name for rule in to.rules)}
            texts += [v.value for v in configs[name].variables] if name in configs else []
    return found & snapshot.keys()


class References:
    """What the references of one snapshot stand for; of its databases, as `databases` has them."""

    def __init__(self, snapshot: Snapshot, databases: Mapping[str, Access]) -> None:
        self._secrets = {Reference(n, s) for n, spec in configs_of(snapshot).items() for s in spec.secrets}
        self._values = _addresses(snapshot)
        for name, access in databases.items():
            self._values |= {Reference(name, attr): value for attr, value in access.attributes().items()}
        variables = {
            Reference(name, variable.name): variable.value
            for name, spec in configs_of(snapshot).items()
            for variable in spec.variables
        }
        needs = {ref: set(references_in(text)) & variables.keys() for ref, text in variables.items()}
        self._circular = circular(needs)
        order = TopologicalSorter({ref: on - self._circular for ref, on in needs.items()})
        for ref in (r for r in order.static_order() if r not in self._circular):
            self._values[ref] = self.fill(variables[ref])[0]
        for ref in self._circular:
            self._values[ref] = variables[ref]

    def fill(self, text: str) -> tuple[str, list[str]]:
        """`text` with its references filled in, and a sentence for each that stays."""
        warnings: list[str] = []
        size = len(text.encode())

        def replace(match: re.Match[str]) -> str:
            nonlocal size
            ref = Reference(*match.groups())
            value = self._values.get(ref)
            if value is None or ref in self._circular:
                warnings.append(f"{ref} stays as it is: {self._why(ref)}.")
                return match.group()
            size += len(value.encode())
            if size > LARGEST_VALUE:
                warnings.append(f"{ref} stays as it is: the value would be longer than 64 KB.")
                return match.group()
            return value

        return _REFERENCE.sub(replace, text), warnings

    def _why(self, ref: Reference) -> str:
        if ref in self._circular:
            return "it leads back to itself"
        if ref in self._secrets:
            return f"{ref.attr} is a secret; attach {ref.name} instead"
        return f"nothing here is called {ref.name} and has {ref.attr}"


def circular(needs: Mapping[Reference, Iterable[Reference]]) -> set[Reference]:
    """Those that lie on a circle, or between two of them."""
    back: dict[Reference, set[Reference]] = {ref: set() for ref in needs}
    for ref, on in needs.items():
        for needed in on:
            back[needed].add(ref)
    return set(needs) - _reached(needs) - _reached(back)


def _reached(graph: Mapping[Reference, Iterable[Reference]]) -> set[Reference]:
    """Those that a topological order gets to before a circle stops it."""
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError:
        pass  # what does not depend on the circle is still given out
    reached: set[Reference] = set()
    while ready := sorter.get_ready():
        reached.update(ready)
        sorter.done(*ready)
    return reached


def _addresses(snapshot: Snapshot) -> dict[Reference, str]:
    """`host` and `url` of routes, and of apps by the first route that leads to them."""
    found: dict[Reference, str] = {}
    apps = apps_of(snapshot)
    for name, route in routes_of(snapshot).items():
        if not route.hostname:
            continue
        url = settings.BRAINPOD.url(route.hostname)
        found[Reference(name, "host")], found[Reference(name, "url")] = route.hostname, url
        for rule in reversed(route.rules):  # the shortest path is the app's front door
            if rule.app in apps:
                found.setdefault(Reference(rule.app, "host"), route.hostname)
                found.setdefault(Reference(rule.app, "url"), url + rule.path.rstrip("/"))
    return found
