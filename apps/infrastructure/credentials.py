"""The passwords of services: in the secret store, each on a path of its own that goes when it is replaced."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from apps.core.ids import new_id
from apps.secretstore import secrets as store
from apps.servers.run import Credentials

if TYPE_CHECKING:
    from apps.infrastructure.models import Service


def keep(service: Service, password: str) -> None:
    """Have `password` be what the platform signs in with, from the next save on. Raises Unavailable."""
    path = f"platform/infrastructure/{service.pk}/{new_id()}"
    service.secret = store().write(path, {"admin": password, "password": secrets.token_urlsafe(24)})
    service.path = path


def read(service: Service) -> Credentials:
    """Empty ones of a service that needs none. Raises Unavailable, PlatformError."""
    if not service.secret:
        return Credentials("", "")
    found = store().read(service.path, service.secret)
    return Credentials(found["password"], found["admin"])


def all_of(service: Service) -> tuple[str, ...]:
    """What no log may show. Raises what `read` raises."""
    found = read(service)
    return tuple(filter(None, (found.password, found.admin_password)))


def forget(path: str) -> None:
    """Raises Unavailable."""
    if path:
        store().delete(path)


def generated() -> str:
    return secrets.token_urlsafe(24)
