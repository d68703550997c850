"""The secrets of connections: in the secret store, each on a path of its own that goes when it is replaced."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.connections.models import Connection, OAuthApplication
from apps.core.errors import PlatformError, Unavailable
from apps.core.ids import new_id
from apps.secretstore import secrets as store

_KEY = "secret"


def keep(team_id: int, connection_id: str, secret: str, more: Mapping[str, str] | None = None) -> tuple[str, int]:
    """Where it is kept from now on, with what else the host gave: path and version. Raises Unavailable."""
    path = f"teams/{team_id}/connections/{connection_id}/{new_id()}"
    return path, store().write(path, {**(more or {}), _KEY: secret})


def read(connection: Connection) -> str:
    """The secret; the new one if it is being replaced right now. Raises Unavailable, PlatformError."""
    return _all(connection)[_KEY]


def more_of(connection: Connection) -> dict[str, str]:
    """What is kept beside it: of a GitHub App that was made here its webhook's secret. Raises as `read`."""
    return {key: value for key, value in _all(connection).items() if key != _KEY}


def carried_over(connection: Connection) -> dict[str, str]:
    """As `more_of`, for who replaces the secret: nothing if it is gone, or being replaced. Raises Unavailable."""
    try:
        held = store().read(connection.path, connection.version)
    except Unavailable:
        raise
    except PlatformError:
        return {}
    return {key: value for key, value in held.items() if key != _KEY}


def _all(connection: Connection) -> dict[str, str]:
    try:
        return store().read(connection.path, connection.version)
    except Unavailable:
        raise
    except PlatformError:
        before = connection.path
        connection.refresh_from_db(fields=["path", "version"])
        if connection.path == before:
            raise
        return store().read(connection.path, connection.version)


def forget(path: str) -> None:
    store().delete(path)


def keep_application(application_id: str, secret: str) -> tuple[str, int]:
    """As `keep`, for the secret of an OAuth application."""
    path = f"platform/oauth/{application_id}/{new_id()}"
    return path, store().write(path, {_KEY: secret})


def read_application(application: OAuthApplication) -> str:
    """Raises Unavailable, PlatformError."""
    return store().read(application.path, application.version)[_KEY]


def make_key_pair(comment: str) -> tuple[str, str]:
    """(private, public) of a new ed25519 key, as OpenSSH writes them."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return private, f"{public} {comment}"
