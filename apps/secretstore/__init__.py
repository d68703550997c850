"""Secret values, outside the database. `secrets()` is the store the wiring picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from apps.core.components import component

if TYPE_CHECKING:
    from apps.secretstore.base import SecretStore


def secrets() -> SecretStore:
    return cast("SecretStore", component("secrets"))
