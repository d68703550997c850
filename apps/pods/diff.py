"""What differs between two snapshots, field by field. Secrets are versions here, never values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from apps.dns.names import shown
from apps.pods import kinds
from apps.pods.models import Resource, Snapshot

Value = str | int | bool | tuple[str, ...] | None
_KEYS = ("name", "path", "source")  # what tells the entries of a list apart


@dataclass(frozen=True, slots=True)
class FieldChange:
    """`before` or `after` is None where the field is not there. Entries of lists go by name: `env.GREETING`."""

    path: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class Change:
    """`fields` of a created or deleted resource are those that are not the default."""

    kind: str
    name: str
    change: Literal["create", "update", "delete"]
    fields: tuple[FieldChange, ...]


def diff(before: Snapshot, after: Snapshot) -> list[Change]:
    """Empty if and only if both mean the same; in the order of names. The order of variables means nothing."""
    changes = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old and new and old.kind == new.kind:
            fields = _compare(flatten(old), flatten(new))
            if fields:
                changes.append(Change(new.kind, name, "update", fields))
            continue
        if old:
            changes.append(Change(old.kind, name, "delete", _compare(flatten(old), defaults(old.kind))))
        if new:
            changes.append(Change(new.kind, name, "create", _compare(defaults(new.kind), flatten(new))))
    return changes


def equal(before: Snapshot, after: Snapshot) -> bool:
    return not diff(before, after)


def content(snapshot: Snapshot) -> dict[str, Any]:
    """What `snapshot` means, as JSON: equal for snapshots without a difference."""
    return {name: [item.kind, flatten(item)] for name, item in sorted(snapshot.items())}


def flatten(resource: Resource) -> dict[str, Value]:
    """The spec as path → value, defaults filled in."""
    return _flat(kinds.get(resource.kind).read(resource.spec).model_dump(mode="json"))


def defaults(kind: str) -> dict[str, Value]:
    return _flat(kinds.get(kind).blank())


def _flat(spec: dict[str, Any]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    _walk(spec, "", found)
    return {path: _shown(path, value) for path, value in sorted(found.items())}


def _walk(value: Any, path: str, found: dict[str, Value]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _walk(inner, f"{path}.{name}" if path else str(name), found)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        key = next(key for key in _KEYS if key in value[0])
        for entry in value:
            rest = {name: inner for name, inner in entry.items() if name != key}
            _walk(rest["value"] if rest.keys() == {"value"} else rest, f"{path}.{entry[key]}", found)
    else:
        found[path] = tuple(value) if isinstance(value, list) else value


def _shown(path: str, value: Value) -> Value:
    if path == "domains" and isinstance(value, tuple):
        return tuple(shown(name) for name in value)
    if path == "password":
        return f"version {value}" if value else None
    return f"version {value}" if path.startswith("secrets.") else value


def _compare(before: dict[str, Value], after: dict[str, Value]) -> tuple[FieldChange, ...]:
    paths = sorted(before.keys() | after.keys())
    pairs = ((path, before.get(path), after.get(path)) for path in paths)
    # An empty list has an entry of its own, and a full one an entry for each: no need to show both.
    return tuple(FieldChange(path, old, new) for path, old, new in pairs if old != new and {old, new} != {None, ()})
