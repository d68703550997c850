"""What an import makes, and what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from apps.manifests.export import VERSION, dumped
from apps.manifests.nodes import Node
from apps.manifests.problems import Place
from apps.manifests.shapes import ordered
from apps.pods.resources import RESERVED

Severity = Literal["left", "changed", "note"]
"""left: not carried. changed: carried as something else. note: something to know or to do."""

_SECRET = re.compile(r"SECRET|PASSWORD|PASSWD|PASSPHRASE|TOKEN|API_?KEY|CREDENTIAL|(^|_)(KEY|SALT|DSN)$", re.IGNORECASE)

_PASSWORD = re.compile(r"://[^/\s@]*:[^/\s@]+@")


@dataclass(frozen=True, slots=True)
class Item:
    """`line` of `file`, from 1. `subject`: what it is about, such as `services.web.ports`."""

    severity: Severity
    file: str
    line: int
    subject: str
    message: str

    def __str__(self) -> str:
        kind = "not carried" if self.severity == "left" else self.severity
        return f"{kind}: {self.file} line {self.line}: {self.subject}: {self.message}"


@dataclass(frozen=True, slots=True)
class Imported:
    """`text` is a brainpod.yaml."""

    text: str
    report: tuple[Item, ...]


@dataclass(slots=True)
class Making:
    """Resources as they stand in a brainpod.yaml, by kind and name, and the report so far."""

    resources: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    report: list[Item] = field(default_factory=list)

    def add(self, kind: str, name: str, spec: dict[str, Any]) -> str:
        """The name it got: `name`, or with a number if it is taken."""
        taken = {it for named in self.resources.values() for it in named}
        free = next(it for it in _numbered(name) if it not in taken)
        self.resources.setdefault(kind, {})[free] = spec
        return free

    def say(self, severity: Severity, file: str, at: Node | Place | int, subject: str, message: str) -> None:
        line = at if isinstance(at, int) else at.line if isinstance(at, Place) else at.place.line
        self.report.append(Item(severity, file, line, subject, message))

    def done(self, pod: str) -> Imported:
        kinds = {kind: dict(sorted(self.resources[kind].items())) for kind in ordered() if kind in self.resources}
        found = {"version": VERSION} | ({"pod": pod} if pod else {}) | {"resources": kinds}
        return Imported(dumped(found), tuple(sorted(self.report, key=lambda it: (it.file, it.line, it.subject))))


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in range(2, 1000):
        yield f"{name[:58]}-{number}"


def as_name(text: str) -> str:
    """What a resource is called that is called `text` elsewhere."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")
    if not name[:1].isalpha() or name in RESERVED:
        name = f"app-{name}".strip("-")
    return name


def is_secret(variable: str, value: str) -> bool:
    """Whether its value had better not stand in a file: by its name, or since it is an address with a password."""
    return bool(_SECRET.search(variable) or _PASSWORD.search(value))
