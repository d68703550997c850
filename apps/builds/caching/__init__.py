"""What one build leaves for the next: dependency layers, packages, intermediates, outputs. docs/caching.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from apps.core.components import component

if TYPE_CHECKING:
    from apps.artifacts.objects import Objects


def store() -> Objects | None:
    """Where caches are shared with other machines; None: this machine keeps its own."""
    return cast("Objects | None", component("cache_store"))
