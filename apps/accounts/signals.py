"""Every sign-in is noted with its session, so that its owner can see and end it, and in the audit log."""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from apps.accounts.models import SignIn, User
from apps.accounts.throttle import address_of
from apps.audit import trail


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
    request.session["seen"] = int(time.time())
    how = getattr(request, "signed_in_by", "")
    trail.note("signin.passed", by=user, about=user, name=user.email, address=address_of(request), how=how)


@receiver(user_logged_out)
def forget(request: HttpRequest | None, user: User | None = None, **_: Any) -> None:
    if request is not None and request.session.session_key:
        if user is not None:
            trail.note("signin.out", by=user, about=user, name=user.email)
        SignIn.objects.filter(session_key=request.session.session_key).delete()


@receiver(user_login_failed)
def failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Whose account it was, if there is one: what else was typed may be a password in the wrong field."""
    email = str(credentials.get("username") or credentials.get("email") or "").strip().lower()
    user = User.objects.filter(email=email[:254].replace("\0", "")).first()
    address = address_of(request) if request is not None else ""
    trail.note("signin.failed", by=None, about=user, name=user.email if user else "no account", address=address)
