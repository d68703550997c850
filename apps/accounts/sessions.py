"""When a browser was seen last, as exact as its owner needs it, and as seldom written."""

from __future__ import annotations

import time

from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.models import SignIn

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
