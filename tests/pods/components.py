"""The wiring of these tests: the store that a fixture put here."""

from __future__ import annotations

from apps.secretstore.vault import Vault

store: Vault | None = None


def secrets() -> Vault | None:
    return store
