"""Config. Values of secrets come in and never go out: shown are their versions."""

from __future__ import annotations

from typing import Any

from apps.api.kinds.base import Given, Json, Place, Shape
from apps.core.errors import Detail, Invalid


def shown(spec: Json, place: Place) -> Json:
    return spec | {"secrets": {name: {"version": version} for name, version in spec["secrets"].items()}}


def given(spec: Json, place: Place) -> Given:
    """Text is a new value, null takes a secret away, what is shown leaves it; so does leaving it out."""
    said = spec.pop("secrets", {})
    if not isinstance(said, dict):
        raise Invalid([Detail("secrets", "must be an object: a name, and its new value or null.")])
    there = (place.current or {}).get("secrets", {})
    wrong: list[Detail] = []
    values: dict[str, str | None] = {}
    for name, value in said.items():
        if isinstance(value, str) or (value is None and name in there):
            values[name] = value
        elif value is not None and not _stays(value, there.get(name)):
            wrong.append(Detail(f"secrets.{name}", "must be its new value, null, or the version that it has."))
    if wrong:
        raise Invalid(wrong)
    return Given(spec, values)


def _stays(value: Any, version: int | None) -> bool:
    return version is not None and value == {"version": version}


_SECRET: Json = {
    "anyOf": [
        {"type": "string", "description": "Its new value: kept in the secret store, never shown."},
        {"type": "null", "description": "Takes it away."},
        {"type": "object", "required": ["version"], "properties": {"version": {"type": "integer"}}},
    ]
}

CONFIG = Shape(
    kind="Config",
    shown=shown,
    given=given,
    properties={"secrets": {"type": "object", "additionalProperties": _SECRET}},
)
