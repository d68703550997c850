"""Signing in and out, and the one-time links of the console."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import authenticate, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts import actions
from apps.accounts.models import SignInLink, User
from apps.accounts.throttle import Throttle
from apps.core.errors import NotFound, UserError
from apps.dashboard.access import public
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.people import SignInForm, WelcomeForm
from apps.dashboard.render import render
from apps.dashboard.views.entering import enter, first_step_passed, next_of

GONE = "such link, or it was used or has expired: make a new one on the server with manage.py signin"


@public
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(next_of(request))
    form = SignInForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                if user := _authenticated(request, form):
                    return first_step_passed(request, user, next_of(request), by="password")
            except UserError as error:
                form.add_error(None, str(error))
                status = error.status
    context = {"form": form, "next": next_of(request), "first": not User.objects.exists()}
    return render(request, "accounts/sign_in.html", context, status=status)


def _authenticated(request: HttpRequest, form: SignInForm) -> User | None:
    """The user, or None with the form's error. Raises UserError `too_many_attempts`."""
    email, password = form.cleaned_data["email"], form.cleaned_data["password"]
    throttle = Throttle(email, request)
    throttle.check()
    user = authenticate(request, username=email, password=password)
    if user is None:
        throttle.failed()
        form.add_error(None, "E-mail and password do not belong together.")
        return None
    throttle.passed()
    assert isinstance(user, User)
    return user


@public
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    messages.success(request, "You are signed out.")
    return redirect("sign-in")


@public
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """A page with a button: programs that look at links before people do must not use them up."""
    link = SignInLink.objects.holding(token)
    if link is None or link.user is None or not link.user.is_active:
        raise NotFound(GONE)
    if request.method == "POST":
        if not SignInLink.objects.use_up(link):
            raise NotFound(GONE)
        return first_step_passed(request, link.user, by="link")
    return render(request, "accounts/sign_in_link.html", {"link": link})


@public
@require_http_methods(["GET", "HEAD", "POST"])
def welcome(request: HttpRequest, token: str) -> HttpResponse:
    """The first user makes the account that everything begins with."""
    link = SignInLink.objects.holding(token)
    if link is None or link.user_id is not None or User.objects.exists():
        raise NotFound(GONE)
    form = WelcomeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with errors_into(form):
            user = actions.create_first_user(token=token, **form.cleaned_data)
            messages.success(request, f"Welcome, {user.name}.")
            return enter(request, user)
    return render(request, "accounts/welcome.html", {"form": form}, status=422 if form.errors else 200)
