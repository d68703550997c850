"""Where code comes from. `source()` is what the wiring picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from apps.core.components import component

if TYPE_CHECKING:
    from apps.sources.base import Source


def source() -> Source:
    return cast("Source", component("source"))
