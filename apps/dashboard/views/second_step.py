"""Between the password and the pages: the second factor; and signing in with a passkey alone."""

from __future__ import annotations

import time
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.factors import actions, passkeys
from apps.accounts.models import User
from apps.accounts.throttle import PasskeySignIn
from apps.audit import trail
from apps.core.errors import Invalid, UserError
from apps.dashboard.access import public
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.factors import SecondStepForm
from apps.dashboard.forms.people import SignInForm
from apps.dashboard.render import render
from apps.dashboard.views.entering import PENDING, enter, next_of


def _pending(request: HttpRequest) -> tuple[User, dict[str, Any]] | None:
    """Who has passed the first step in this browser not long ago, with the password that still is theirs."""
    kept = request.session.get(PENDING)
    if not kept or kept["until"] < time.time():
        return None
    user = User.objects.filter(pk=kept["user"], is_active=True).first()
    if user is None or user.get_session_auth_hash() != kept["hash"]:
        return None
    return user, kept


@public
@require_http_methods(["GET", "HEAD", "POST"])
def second_step(request: HttpRequest) -> HttpResponse:
    found = _pending(request)
    if found is None:
        return redirect("sign-in")
    user, kept = found
    form, status = SecondStepForm(request.POST or None), 422 if request.method == "POST" else 200
    if form.is_bound and form.is_valid():
        try:
            with errors_into(form):
                given = {"typed": form.cleaned_data["code"], "credential": form.cleaned_data["credential"]}
                how = actions.second_step(user=user, **given, request=request)
                del request.session[PENDING]
                return enter(request, user, kept["next"], by=f"{kept['by']}, {how}")
        except UserError as error:
            form.add_error(None, str(error))
            status = error.status
    context = {"form": form, "email": user.email, "has_passkey": passkeys.of(user).exists()}
    return render(request, "accounts/second_step.html", context, status=status)


@public
@require_POST
def second_step_options(request: HttpRequest) -> HttpResponse:
    """What the browser is to ask one of the person's passkeys."""
    found = _pending(request)
    return JsonResponse(passkeys.ask_to_use(found[0]) if found else {}, status=200 if found else 403)


@public
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_passkey(request: HttpRequest) -> HttpResponse:
    """A passkey is both steps at once: something one has, that asks for a finger, a face or a PIN."""
    if request.method != "POST":
        return redirect("sign-in")
    throttle = PasskeySignIn(request)
    try:
        throttle.check()
        user = passkeys.used(request, request.POST.get("credential", ""))
        return enter(request, user, next_of(request), by="passkey")
    except Invalid as error:
        throttle.failed()
        trail.note("signin.failed", by=None, name="no account", how="passkey")
        refused, status = error.details[0].message, error.status
    except UserError as error:
        refused, status = str(error), error.status
    context = {"form": SignInForm(), "next": next_of(request), "refused": refused}
    return render(request, "accounts/sign_in.html", context, status=status)


@public
@require_POST
def sign_in_passkey_options(request: HttpRequest) -> HttpResponse:
    return JsonResponse(passkeys.ask_to_use(None))
