"""One's own account: name, password, theme, sessions."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts import actions
from apps.audit import reading
from apps.core.errors import NotFound
from apps.dashboard.access import Request, signed_in
from apps.dashboard.browsers import browser_words
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.people import NameForm, PasswordForm, ThemeForm
from apps.dashboard.render import render, wants_fragment


def _page(request: Request, *, name: NameForm | None = None, password: PasswordForm | None = None) -> HttpResponse:
    open_keys = Session.objects.filter(
        session_key__in=request.user.sign_ins.values("session_key"), expire_date__gt=timezone.now()
    ).values("session_key")
    context = {
        "name_form": name or NameForm(initial={"name": request.user.name}),
        "password_form": password or PasswordForm(),
        "sessions": request.user.sign_ins.filter(session_key__in=open_keys),
        "current": request.session.session_key,
        "browser_words": browser_words,
        "second_factor": request.user.has_second_factor(),
        "entries": reading.signing_in_of(request.user)[:20],
    }
    return render(request, "accounts/account.html", context, status=422 if name or password else 200)


@signed_in
@require_safe
def account(request: Request) -> HttpResponse:
    return _page(request)


@signed_in
@require_POST
def account_name(request: Request) -> HttpResponse:
    form = NameForm(request.POST)
    if not form.is_valid():
        return _page(request, name=form)
    actions.rename_user(user=request.user, name=form.cleaned_data["name"])
    messages.success(request, "Your name was changed.")
    return redirect("account")


@signed_in
@require_POST
def account_password(request: Request) -> HttpResponse:
    form = PasswordForm(request.POST)
    if form.is_valid():
        with errors_into(form):
            actions.change_password(user=request.user, **form.cleaned_data, request=request)
            messages.success(request, "Your password was changed and your other sessions were ended.")
            return redirect("account")
    return _page(request, password=form)


@signed_in
@require_POST
def account_theme(request: Request) -> HttpResponse:
    """The browser has switched already, where there are scripts; this makes it last."""
    form = ThemeForm(request.POST)
    if not form.is_valid():
        return HttpResponse("theme: must be one of system, light, dark.", status=422, content_type="text/plain")
    actions.choose_theme(user=request.user, theme=form.cleaned_data["theme"])
    return HttpResponse(status=204) if wants_fragment(request) else redirect("account")


@signed_in
@require_http_methods(["DELETE"])
def account_sessions(request: Request) -> HttpResponse:
    """All of them but this one."""
    actions.end_other_sessions(user=request.user, kept=request.session.session_key)
    messages.success(request, "All other browsers are signed out.")
    return redirect("account")


@signed_in
@require_http_methods(["DELETE"])
def account_session(request: Request, pk: int) -> HttpResponse:
    sign_in = request.user.sign_ins.filter(pk=pk).first()
    if sign_in is None:
        raise NotFound("such session")
    actions.end_session(sign_in=sign_in, by=request.user)
    messages.success(request, "That browser is signed out.")
    return redirect("account")
