"""What the outside reaches. `edge()` is the edge the wiring picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from apps.core.components import component

if TYPE_CHECKING:
    from apps.edge.base import Edge


def edge() -> Edge:
    return cast("Edge", component("edge"))
