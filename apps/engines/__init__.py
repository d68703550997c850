"""Where pods run, and where they are built: the engines that the wiring picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from apps.engines.base import Engine


def engine() -> Engine:
    from apps.core.components import component  # here, so that the engine's own processes stay without Django

    return cast("Engine", component("engine"))


def builder() -> Engine:
    """Where the commands of builds run: `engine()`, unless that has other machines than this one."""
    from apps.core.components import component

    return cast("Engine | None", component("build_engine")) or engine()
