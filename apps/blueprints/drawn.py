"""A revision of a pod as the text of a blueprint: to be looked at, edited, and added like a pasted one.

No value of a secret is in it. Secrets, host names and whatever else looks like a secret become inputs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apps.blueprints.reading import VERSION
from apps.dns.names import shown
from apps.manifests import shapes
from apps.manifests.export import described, dumped
from apps.manifests.importing.report import is_secret
from apps.pods.contents import routes_of
from apps.pods.models import Pod, Resource, Revision

# What nobody outside gives out, so that any value will do: SECRET_KEY, ADMIN_PASSWORD; not API_KEY, SMTP_PASSWORD.
_OWN = re.compile(
    r"((APP|ADMIN|ROOT|USER|DB|DATABASE|DJANGO|FLASK|RAILS|AUTH|NEXTAUTH|BETTER_AUTH|JWT|SESSION|COOKIE|CSRF)_)*"
    r"(PASSWORD|PASSPHRASE|SALT|PEPPER|SECRET|SECRET_KEY|SECRET_KEY_BASE|SESSION_KEY|SIGNING_KEY|COOKIE_KEY)",
    re.IGNORECASE,
)
_MADE_UP = 40  # characters


@dataclass(frozen=True, slots=True)
class Drawn:
    """`text` is a blueprint's file. `notes`: what became something else, or is to be looked at, in sentences."""

    text: str
    notes: tuple[str, ...]


def drawn(pod: Pod, revision: Revision) -> Drawn:
    """`revision` of `pod` as a blueprint called as the pod is, the commits of its apps left out."""
    return _Drawing(pod, revision).done()


@dataclass(slots=True)
class _Drawing:
    pod: Pod
    revision: Revision
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    custom: dict[str, str] = field(default_factory=dict)  # domain as people write it → its input
    assigned: dict[str, str] = field(default_factory=dict)  # host name → its route

    def done(self) -> Drawn:
        snapshot = self.revision.snapshot()
        for name, route in routes_of(snapshot).items():
            if route.hostname:
                self.assigned[route.hostname] = name
            for domain in map(shown, route.domains):
                if domain not in self.custom:
                    asked = {"label": f"Domain in place of {domain}"[:80], "kind": "hostname"}
                    self.custom[domain] = self._ask("host", asked)
        resources = {
            kind: {name: self._resource(row) for name, row in sorted(snapshot.items()) if row.kind == kind}
            for kind in shapes.ordered()
        }
        if self.custom:
            self.notes.insert(0, f"Asked for in place of the pod's own: {', '.join(self.custom)}.")
        whole: dict[str, Any] = {"version": int(VERSION), "blueprint": self.pod.name, "title": self.pod.name}
        whole["tagline"] = f"As {self.pod.name} is."
        whole |= {"inputs": self.inputs} if self.inputs else {}
        whole["resources"] = {kind: named for kind, named in resources.items() if named}
        whole |= {"secrets": self.secrets} if self.secrets else {}
        return Drawn(dumped(whole), tuple(self.notes))

    def _ask(self, wanted: str, asked: dict[str, Any]) -> str:
        """The name of a new input."""
        base = re.sub(r"[^a-z0-9]+", "_", wanted.lower()).strip("_")[:36]
        base = base if base[:1].isalpha() else f"value_{base}"[:36].strip("_")
        name, number = base, 1
        while name in self.inputs:
            number += 1
            name = f"{base}_{number}"
        self.inputs[name] = asked
        return name

    def _resource(self, row: Resource) -> dict[str, Any]:
        spec = described(row)
        for secret in (one for name in shapes.fields(row.kind, "secrets") for one in spec.get(name, ())):
            self._secret(row.name, secret, secret)
        for secret in shapes.fields(row.kind, "password") & spec.keys():
            self._secret(row.name, secret, f"{row.name}_{secret}")
        values = "env" if row.kind == "App" else "variables" if row.kind == "Config" else ""
        for name, value in spec.get(values, {}).items():
            spec[values][name] = self._variable(row.name, name, value)
        if "domains" in spec:
            spec["domains"] = [_hole(self.custom[domain]) for domain in spec["domains"]]
        for key in spec.keys() - {"source", "domains", values}:
            spec[key] = _each(spec[key], lambda text: self._text(row.name, text))
        repo = spec.get("source", {}).get("repo", "")
        if repo.startswith(f"brainpod:{self.pod.team.slug}/{self.pod.name}/"):
            self.notes.append(f"{row.name} is built from {repo}, which is deleted with the pod: push it elsewhere too.")
        return spec

    def _secret(self, resource: str, secret: str, called: str) -> None:
        """The same name in another resource is asked for on its own: it may have another value."""
        made_up = bool(_OWN.fullmatch(secret))
        asked: dict[str, Any] = {"label": f"{secret} of {resource}"[-80:], "kind": "secret"}
        asked |= {"generate": _MADE_UP} if made_up else {"required": True}
        self.secrets.setdefault(resource, {})[secret] = _hole(self._ask(called, asked))
        how = "made up anew for every pod, unless it is given" if made_up else "asked for"
        self.notes.append(f"The secret {resource}.{secret} is {how}.")

    def _variable(self, resource: str, name: str, value: str) -> str:
        if value and "${" not in value and is_secret(name, value):
            words = f"{resource}.{name} looks like a secret: it is asked for, and its value is left out. A Config keeps"
            self.notes.append(f"{words} secrets better.")
            return _hole(self._ask(name, {"label": f"{name} of {resource}"[-80:], "required": True}))
        return self._text(resource, value, references=True)

    def _text(self, resource: str, text: str, *, references: bool = False) -> str:
        """`text` with other host names than this pod's."""

        def other(found: re.Match[str]) -> str:
            host = found[0]
            if host in self.custom:
                self.inputs[self.custom[host]]["required"] = True
                return _hole(self.custom[host])
            if references:
                return f"${{{self.assigned[host]}.host}}"
            self.notes.append(f"{resource} says {host}, which is this pod's: change it below.")
            return host

        hosts = sorted((*self.custom, *self.assigned), key=len, reverse=True)
        if not hosts:
            return text
        return re.sub(rf"(?<![\w.-])({'|'.join(map(re.escape, hosts))})(?![\w-]|\.\w)", other, text)


def _hole(name: str) -> str:
    return f"{{{{ inputs.{name} }}}}"


def _each(value: Any, change: Callable[[str], str]) -> Any:
    """`value` with every text in it, keys left out, changed."""
    if isinstance(value, dict):
        return {key: _each(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_each(inner, change) for inner in value]
    return change(value) if isinstance(value, str) else value
