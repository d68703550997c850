"""Addresses and signing keys of endpoints: in the secret store, together, one version for each change."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field

from apps.core.errors import PlatformError, Unavailable
from apps.notify.models import Endpoint
from apps.secretstore import secrets as store

PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class Kept:
    """`target`: the URL or e-mail address. `key`: what a webhook is signed with; `old`: the one it replaced."""

    target: str = field(repr=False)
    key: str = field(default="", repr=False)
    old: str = field(default="", repr=False)

    def values(self) -> dict[str, str]:
        return {"target": self.target, "key": self.key, "old": self.old}

    def hidden(self) -> list[str]:
        """What nobody may read in an answer or an error."""
        path = "/" + self.target.partition("://")[2].partition("/")[2]
        return [value for value in (self.target, path, self.key, self.old) if len(value) > 6]


def make() -> str:
    """A new key, as the Standard Webhooks specification writes it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def path_of(endpoint: Endpoint) -> str:
    return f"teams/{endpoint.team_id}/notifications/{endpoint.pk}"


def write(endpoint: Endpoint, kept: Kept) -> int:
    """The version it is kept under. Raises Unavailable."""
    return store().write(endpoint.path, kept.values())


def read(endpoint: Endpoint) -> Kept:
    """What it has; the new one if it is being replaced right now. Raises Unavailable, PlatformError."""
    try:
        return Kept(**store().read(endpoint.path, endpoint.version))
    except Unavailable:
        raise
    except PlatformError:
        before = endpoint.version
        endpoint.refresh_from_db(fields=["version"])
        if endpoint.version == before:
            raise
        return Kept(**store().read(endpoint.path, endpoint.version))


def forget(endpoint: Endpoint, version: int | None = None) -> None:
    """One version, or all. Raises Unavailable."""
    if version is None:
        store().delete(endpoint.path)
    else:
        store().destroy(endpoint.path, version)
