"""What builds made. `artifacts()` is the store the wiring picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from apps.core.components import component

if TYPE_CHECKING:
    from apps.artifacts.base import Artifacts


def artifacts() -> Artifacts:
    return cast("Artifacts", component("artifacts"))
