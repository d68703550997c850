"""Where pods run. `engine()` is the engine the wiring picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from apps.core.components import component

if TYPE_CHECKING:
    from apps.engines.base import Engine


def engine() -> Engine:
    return cast("Engine", component("engine"))
