"""The wiring of these tests: the store that a fixture put here."""

from __future__ import annotations

from apps.secretstore.vault import Vault
from brainpod.wiring import engine, offered_engines

store: Vault | None = None


def secrets() -> Vault | None:
    return store


__all__ = ["engine", "offered_engines", "secrets"]
