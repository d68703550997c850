"""The kinds of resources there are. A new kind is one file here and one line below."""

from __future__ import annotations

from typing import Any

from apps.core.errors import Detail, Invalid
from apps.pods.kinds.app import APP
from apps.pods.kinds.base import Field, Kind
from apps.pods.kinds.config import CONFIG
from apps.pods.kinds.database import DATABASES
from apps.pods.kinds.disk import DISK
from apps.pods.kinds.route import ROUTE

__all__ = ["APP", "CONFIG", "DATABASES", "DISK", "ROUTE", "RUNNING", "Field", "Kind", "every", "get"]

_KINDS: dict[str, Kind[Any]] = {kind.name: kind for kind in (APP, ROUTE, CONFIG, DISK, *DATABASES)}


RUNNING = tuple(kind.name for kind in _KINDS.values() if kind.runs)
"""The names of the kinds whose resources have instances."""


def get(kind: str) -> Kind[Any]:
    """The kind called `kind`. Raises Invalid naming the ones there are."""
    if kind not in _KINDS:
        raise Invalid([Detail("kind", f"must be one of {', '.join(_KINDS)}.")])
    return _KINDS[kind]


def every() -> tuple[Kind[Any], ...]:
    return tuple(_KINDS.values())
