"""Whose a browser's session is now, and when it was seen last, as exact as its owner needs it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from django.utils import timezone
from django.utils.module_loading import import_string

from apps.accounts.models import SignIn, User

EXACT = 300  # seconds
MOST = 10_000  # sessions that this process remembers
_written: dict[str, float] = {}


def seen(request: HttpRequest) -> None:
    """The session of `request` is in use. Each process writes it once in five minutes."""
    key, now = request.session.session_key or "", time.time()
    last = max(float(request.session.get("seen", 0)), _written.get(key, 0.0))  # the first is when it was signed in
    if now - last < EXACT:
        return
    if len(_written) >= MOST:
        _written.clear()
    _written[key] = now
    SignIn.objects.filter(session_key=key).update(seen_at=timezone.now())


def user_of(session: str | None) -> User | None:
    """Who is signed in with the session, by what its store says now; None too for an account that is switched off."""
    request = HttpRequest()
    request.session = import_string(f"{settings.SESSION_ENGINE}.SessionStore")(session)
    user = get_user(request)
    return user if isinstance(user, User) and user.is_active else None


def session_of(scope: Mapping[str, Any]) -> str | None:
    """The session a websocket was opened with."""
    found = scope.get("session")
    return found.session_key if found else None


async def user_behind(scope: Mapping[str, Any]) -> User | None:
    """Who opened a websocket, as `user_of`."""
    found: User | None = await database_sync_to_async(user_of)(session_of(scope))
    return found
