"""The networks `proxy` and `database` of Docker: called as infrastructure.yml says, and shown as they are."""

from __future__ import annotations

from typing import cast

import structlog

from apps import engines
from apps.core.errors import PlatformError, Unavailable, UserError
from apps.engines.base import DATABASE, PROXY, Networking, SharedNetwork
from apps.infrastructure.declaration import Infrastructure, current

log = structlog.get_logger(__name__)
_done: list[dict[str, str]] = []  # what this process had the engine call them last


def offered() -> bool:
    """Whether pods may run on an engine that has networks."""
    return "docker" in engines.offered()


def names(found: Infrastructure) -> dict[str, str]:
    return {DATABASE: found.default_database_network, PROXY: found.default_proxy_network}


def tend() -> bool:
    """Have them be called as the file says now, if it holds. Raises Unavailable; tries again then.

    That they are there is seen to by the engine's watcher, from then on.
    """
    if not offered():
        return False
    try:
        called = names(current())
    except UserError:
        return False  # declaring.py says so
    if _done == [called]:
        return False
    try:
        _engine().call_networks(called)
    except Unavailable:
        raise
    except PlatformError as error:  # the page shows it
        log.warning("network_refused", error=str(error))
    _done[:] = [called]
    return False


def every() -> list[SharedNetwork]:
    """None where no engine has networks. Raises Unavailable."""
    return _engine().shared_networks() if offered() else []


def _engine() -> Networking:
    return cast("Networking", engines.named("docker"))
