"""The one way in: whoever passed the first step is signed in, or asked for the second factor."""

from __future__ import annotations

import time

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from apps.accounts.models import User
from apps.accounts.throttle import remember_device

BACKEND = "django.contrib.auth.backends.ModelBackend"
PENDING = "second_step"  # in the session: who has passed the first
PATIENCE = 600  # seconds that the second may take


def next_of(request: HttpRequest) -> str:
    """Where to go after signing in: only ever a page of ours."""
    asked = request.POST.get("next") or request.GET.get("next") or "/"
    safe = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if safe else "/"


def first_step_passed(request: HttpRequest, user: User, to: str = "/", *, by: str) -> HttpResponse:
    """Sign `user` in, or ask for the second factor if they have one. `by`: what they passed it with, in a word."""
    if not user.has_second_factor():
        return enter(request, user, to, by=by)
    request.session.cycle_key()  # nobody else knows of this browser's session
    request.session[PENDING] = {
        "user": user.pk, "hash": user.get_session_auth_hash(), "until": time.time() + PATIENCE, "next": to, "by": by,
    }  # fmt: skip
    return redirect("second-step")


def enter(request: HttpRequest, user: User, to: str = "/", *, by: str = "password") -> HttpResponse:
    """Sign `user` in, with a new session key, and make the browser one of theirs."""
    request.signed_in_by = by  # type: ignore[attr-defined]
    login(request, user, backend=BACKEND)
    response = HttpResponseRedirect(to)
    remember_device(response, user.email)
    return response
