"""The kinds of the API: one module each. What comes in and goes out passes here."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from apps.api.ids import KINDS, OUTSIDE
from apps.api.kinds.app import APP
from apps.api.kinds.base import Given, Json, Place, Shape
from apps.api.kinds.config import CONFIG
from apps.api.kinds.database import DATABASES
from apps.api.kinds.disk import DISK
from apps.api.kinds.route import ROUTE
from apps.core.errors import Detail, Invalid
from apps.pods import kinds

__all__ = ["Place", "given", "outside", "shown", "spec_schemas"]

_SHAPES: dict[str, Shape] = {shape.kind: shape for shape in (APP, CONFIG, ROUTE, *DATABASES, DISK)}


def shown(kind: str, spec: Mapping[str, Any], place: Place) -> Json:
    """The spec of a resource of `kind` (ours) as the API has it. Secrets are not in it."""
    made = kinds.get(kind).read(spec).model_dump(mode="json", by_alias=True)
    return _SHAPES[kind].shown(made, place)


def given(kind: str, spec: Json, place: Place) -> Given:
    """A spec of the API as we have it; what it means is not checked yet. Raises Invalid with paths from `spec` on."""
    try:
        return _SHAPES[kind].given(dict(spec), place)
    except Invalid as error:
        raise Invalid([Detail(f"spec.{one.path}", one.message) for one in error.details]) from None


def outside(kind: str, path: str) -> str:
    """Where a field of ours stands in a resource of the API: `spec.rules.0.backendRef`, `metadata.name`."""
    if path in ("", "name", "kind"):
        return {"": "", "name": "metadata.name", "kind": "kind"}[path]
    return f"spec.{_SHAPES[kind].outside(path)}"


@functools.cache
def spec_schemas() -> dict[str, Json]:
    """The JSON schema of each kind's spec, by the API's name of the kind."""
    return {OUTSIDE[ours]: _limited(_SHAPES[ours].schema()) for ours in KINDS.values()}


def _limited(schema: Any) -> Any:
    """Limits by the words that JSON schemas have for them: pydantic leaves its own where a type reads by itself."""
    if isinstance(schema, list):
        return [_limited(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    words = {"ge": "minimum", "le": "maximum"} if schema.get("type") in ("integer", "number") else {}
    return {words.get(name, name): _limited(value) for name, value in schema.items()}
