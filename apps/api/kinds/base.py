"""What the API makes of a kind of resource: its spec there and here, which differ in some names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.core.errors import Detail, Invalid
from apps.pods import kinds

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a spec stands: the resource's name in its pod, and the spec, as we have it, that it replaces."""

    pod: str
    name: str
    current: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """A spec as we have it. `secrets`: values to keep, None for one that goes: never part of a spec."""

    spec: Json
    secrets: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shape:
    """`kind`: our name of it. `paths`: what our fields (patterns) are called in the API, to name them in errors.

    `shown(spec, place)`: of our spec in its normal form. `given(spec, place)` raises Invalid with the API's paths.
    `properties`, `required`, `hidden`: what its JSON schema has in place of ours.
    """

    kind: str
    shown: Callable[[Json, Place], Json]
    given: Callable[[Json, Place], Given]
    paths: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, Json] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    def outside(self, path: str) -> str:
        """What a field of ours is called in the API."""
        for ours, theirs in self.paths.items():
            if match := re.fullmatch(ours, path):
                return match.expand(theirs)
        return path

    def schema(self) -> Json:
        made = inlined(kinds.get(self.kind).Spec.model_json_schema(by_alias=True))
        kept = {name: one for name, one in made["properties"].items() if name not in self.hidden}
        return made | {"properties": kept | dict(self.properties), "required": list(self.required)}


def inlined(schema: Json) -> Json:
    """`schema` without references to definitions of its own: none refers to itself."""
    definitions = schema.get("$defs", {})

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(one) for one in value]
        if not isinstance(value, dict):
            return value
        if name := str(value.get("$ref", "")).removeprefix("#/$defs/"):
            return resolved(definitions[name] | {key: one for key, one in value.items() if key != "$ref"})
        return {key: resolved(one) for key, one in value.items() if key != "$defs"}

    made: Json = resolved(schema)
    return made


def refuse(spec: Json, words: Mapping[str, str]) -> None:
    """Raises Invalid for each field of `words` that `spec` has: why it cannot be had here."""
    if wrong := [Detail(name, words[name]) for name in sorted(words.keys() & spec.keys())]:
        raise Invalid(wrong)


def text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise Invalid([Detail(path, "must be text.")])
    return value


def fields(value: Any, path: str, *known: str) -> Json:
    """`value`, an object that has no others than the `known` fields. Raises Invalid."""
    if not isinstance(value, dict):
        raise Invalid([Detail(path, "must be an object.")])
    if wrong := [
        Detail(f"{path}.{name}", "is not a field here: remove it.") for name in sorted(value.keys() - set(known))
    ]:
        raise Invalid(wrong)
    return value
