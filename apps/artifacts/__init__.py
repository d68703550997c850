"""What builds made. `artifacts()` is the store the wiring picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from apps.core.components import component

if TYPE_CHECKING:
    from apps.artifacts.base import Artifacts
    from apps.artifacts.oci import Registry


def artifacts() -> Artifacts:
    return cast("Artifacts", component("artifacts"))


def registry() -> Registry | None:
    """By which images travel between machines; None where they stay in the daemon that built them."""
    return cast("Registry | None", component("registry"))
