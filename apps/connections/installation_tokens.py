"""Tokens that GitHub gave out for an installation: kept in this process's memory while they are good for a clone."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from django.conf import settings

from apps.connections import secrets
from apps.connections.models import Connection
from apps.sources import github_app

SPARE = 1200  # seconds a token has to be good for when it is handed out: longer than most clones take
_lock = threading.Lock()
_kept: dict[tuple[str, str, str, tuple[tuple[str, str], ...]], github_app.Token] = {}


def token_for(connection: Connection, repository: str, permissions: Mapping[str, str] = github_app.READS) -> str:
    """A token for `repository` (empty: all that are reached) and `permissions`.

    Raises what apps.sources.github_app.issue and the secret store raise.
    """
    place = (connection.pk, connection.path, repository, tuple(sorted(permissions.items())))
    with _lock:
        kept = _kept.get(place)
    if kept and kept.ends > time.time() + SPARE:
        return kept.value
    app = github_app.App(connection.host, connection.app_id, connection.installation_id, secrets.read(connection))
    made = github_app.issue(app, repository, permissions=permissions, allowed=settings.BRAINPOD.networks)
    with _lock:
        for old in [key for key, token in _kept.items() if token.ends < time.time()]:
            del _kept[old]
        _kept[place] = made
    return made.value


def forget(connection_id: str) -> None:
    """For a connection that was refused, replaced or removed."""
    with _lock:
        for place in [place for place in _kept if place[0] == connection_id]:
            del _kept[place]
