"""Every sign-in is noted with its session, so that its owner can see and end it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from apps.accounts.models import SignIn, User
from apps.accounts.throttle import address_of


@receiver(user_logged_in)
def note(request: HttpRequest | None, user: User, **_: Any) -> None:
    if request is None or not hasattr(request, "session"):
        return
    if request.session.session_key is None:
        request.session.create()
    SignIn.objects.update_or_create(
        session_key=request.session.session_key,
        defaults={
            "user": user,
            "address": address_of(request) or None,
            "agent": request.headers.get("User-Agent", "")[:200],
        },
    )


@receiver(user_logged_out)
def forget(request: HttpRequest | None, **_: Any) -> None:
    if request is not None and request.session.session_key:
        SignIn.objects.filter(session_key=request.session.session_key).delete()
