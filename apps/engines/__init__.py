"""Where pods run. `engine()` is the engine the wiring picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from apps.engines.base import Engine


def engine() -> Engine:
    from apps.core.components import component  # here, so that the engine's own processes stay without Django

    return cast("Engine", component("engine"))
