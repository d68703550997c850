"""Every view says who may see it, with one of these decorators; tests/dashboard/test_access.py reads `view.access`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from apps.accounts import gate
from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.accounts.sessions import seen
from apps.core.errors import NotFound, UserError
from apps.dashboard.render import wants_fragment
from apps.pods.models import Pod

View = Callable[..., HttpResponseBase]


class Request(HttpRequest):
    """What a view behind `signed_in`, `team_page` or `pod_page` is given; `access` only behind the last two."""

    user: User
    access: gate.Access
    htmx: Any


class Rule(NamedTuple):
    """`kind`: public, signed_in, staff, team or pod; `role`: the least that team and pod pages need."""

    kind: str
    role: Role | None = None


def _marked(view: View, wrapper: View, rule: Rule) -> View:
    wrapped = functools.wraps(view)(wrapper)
    wrapped.access = rule  # type: ignore[attr-defined]
    return wrapped


def public(view: View) -> View:
    """For everybody, signed in or not."""
    return _marked(view, lambda request, *args, **kwargs: view(request, *args, **kwargs), Rule("public"))


def signed_in(view: View) -> View:
    """For everybody with an account; others are sent to the sign-in page and come back afterwards."""

    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return to_sign_in(request)
        seen(request)
        response = view(request, *args, **kwargs)
        add_never_cache_headers(response)
        return response

    return _marked(view, wrapper, Rule("signed_in"))


def staff_page(view: View) -> View:
    """For operators."""

    def wrapper(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_staff:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return _marked(view, signed_in(wrapper), Rule("staff"))


def team_page(needs: Role = Role.VIEWER) -> Callable[[View], View]:
    """For members with at least `needs`. Takes `team` (a slug) from the address and hands the view the Team."""

    def decorator(view: View) -> View:
        def wrapper(request: Request, *args: Any, team: str, **kwargs: Any) -> HttpResponseBase:
            found = Team.objects.joined_by(request.user).filter(slug=team).first()
            if found is None:
                raise NotFound("such team")
            try:
                request.access = gate.access(request.user, found, needs)
            except UserError as error:
                return to_second_factor(request, error)
            return view(request, *args, team=found, **kwargs)

        return _marked(view, signed_in(wrapper), Rule("team", needs))

    return decorator


def pod_page(needs: Role = Role.VIEWER) -> Callable[[View], View]:
    """For members with at least `needs` in the pod. Takes `pod` (a name) and hands the view the Pod."""

    def decorator(view: View) -> View:
        def wrapper(request: Request, *args: Any, pod: str, **kwargs: Any) -> HttpResponseBase:
            teams = Team.objects.joined_by(request.user)
            found = Pod.objects.filter(team__in=teams).select_related("team").filter(name=pod).first()
            if found is None:
                raise NotFound("such pod")
            try:
                request.access = gate.pod_access(request.user, found, needs)
            except UserError as error:
                return to_second_factor(request, error)
            return view(request, *args, pod=found, **kwargs)

        return _marked(view, signed_in(wrapper), Rule("pod", needs))

    return decorator


def to_sign_in(request: HttpRequest) -> HttpResponseRedirect:
    """To the sign-in page, and back to the page that was asked for (for a fragment: the one around it)."""
    asked = request.get_full_path() if request.method in ("GET", "HEAD") else ""
    if wants_fragment(request):
        current = urlsplit(request.headers.get("HX-Current-URL", ""))
        asked = current.path + (f"?{current.query}" if current.query else "")
    query = f"?{urlencode({'next': asked})}" if asked and asked != "/" else ""
    return HttpResponseRedirect(reverse(settings.LOGIN_URL) + query)


def to_second_factor(request: HttpRequest, error: UserError) -> HttpResponseRedirect:
    """To where one sets it up, if `error` says that it is missing; else raises it."""
    if error.code != "second_factor_required":
        raise error
    messages.warning(request, str(error))
    return HttpResponseRedirect(reverse("account-second-factor"))
