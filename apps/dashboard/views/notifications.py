"""Where a team is told what happens: listed, added, changed, tried; what was sent there, and how that went."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.core.errors import NotFound
from apps.dashboard.access import Request, team_page
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.notifications import EndpointForm
from apps.dashboard.render import render
from apps.notify import actions, mail
from apps.notify.events import KNOWN
from apps.notify.models import Delivery, Endpoint, Kind, State

A_PAGE = 50


@team_page()
@require_safe
def notifications(request: Request, team: Team) -> HttpResponse:
    context = {
        "team": team,
        "endpoints": list(team.endpoints.prefetch_related("pods")),
        "kinds": Kind.choices,
        "may_change": request.access.may(Role.ADMIN),
    }
    return render(request, "notifications/list.html", context)


@team_page(needs=Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def notification_new(request: Request, team: Team, kind: str) -> HttpResponse:
    """The key of a new webhook is shown in the answer to the post alone: no cache or history keeps it."""
    if kind not in Kind.values:
        raise NotFound("such kind of notification")
    form = EndpointForm(request.POST or None, team=team, kind=kind)
    if request.method == "POST" and form.is_valid():
        with errors_into(form, codes={"name_taken": "name"}):
            made, key = actions.add(team=team, kind=kind, by=request.user, **form.asked())
            messages.success(request, f"{made.name} was added. Send a test to see whether it works.")
            return _page(request, made, key=key) if key else redirect("notification", team.slug, made.pk)
    context = {"team": team, "form": form, "kind": Kind(kind), "no_mail": kind == Kind.EMAIL and not mail.ready()}
    return render(request, "notifications/new.html", context, status=422 if form.errors else 200)


@team_page()
@require_safe
def notification(request: Request, team: Team, endpoint: str) -> HttpResponse:
    """One of them, with what was sent there, the newest first."""
    return _page(request, _endpoint(team, endpoint))


def _page(request: Request, endpoint: Endpoint, *, key: str = "") -> HttpResponse:
    wanted = {name: request.GET.get(name, "") for name in ("state", "event")}
    found = endpoint.deliveries.select_related("message", "message__pod", "again_by")
    if wanted["state"] in State.values:
        found = found.filter(state=wanted["state"])
    if wanted["event"] in KNOWN:
        found = found.filter(message__event=wanted["event"])
    context = {
        "team": endpoint.team,
        "endpoint": endpoint,
        "key": key,
        "page": Paginator(found, A_PAGE).get_page(request.GET.get("page")),
        "wanted": wanted,
        "filtered": any(wanted.values()),
        "states": State.choices,
        "events": KNOWN,
        "may_change": request.access.may(Role.ADMIN),
    }
    return render(request, "notifications/detail.html", context)


@team_page(needs=Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST", "DELETE"])
def notification_settings(request: Request, team: Team, endpoint: str) -> HttpResponse:
    """POST changes it, DELETE removes it."""
    found = _endpoint(team, endpoint)
    if request.method == "DELETE":
        actions.remove(endpoint=found, by=request.user)
        messages.success(request, f"{found.name} was removed, and its address forgotten.")
        return redirect("notifications", team=team.slug)
    form = EndpointForm(request.POST or None, team=team, kind=found.kind, endpoint=found)
    if request.method == "POST" and form.is_valid():
        with errors_into(form, codes={"name_taken": "name"}):
            actions.change(endpoint=found, by=request.user, **form.asked())
            messages.success(request, f"{found.name} was changed.")
            return redirect("notification", team.slug, found.pk)
    context = {"team": team, "endpoint": found, "form": form}
    return render(request, "notifications/settings.html", context, status=422 if form.errors else 200)


@team_page(needs=Role.ADMIN)
@require_http_methods(["POST", "DELETE"])
def notification_key(request: Request, team: Team, endpoint: str) -> HttpResponse:
    """POST makes a new key, shown in the answer alone; DELETE ends the one that was replaced."""
    found = _endpoint(team, endpoint)
    if request.method == "POST":
        return _page(request, found, key=actions.rotate_key(endpoint=found, by=request.user))
    actions.end_old_key(endpoint=found, by=request.user)
    messages.success(request, "Only the new key signs now.")
    return redirect("notification", team.slug, found.pk)


@team_page(needs=Role.ADMIN)
@require_POST
def notification_test(request: Request, team: Team, endpoint: str) -> HttpResponse:
    """Sent while the page waits: ten seconds at most."""
    found = _endpoint(team, endpoint)
    sent = actions.send_test(endpoint=found, by=request.user)
    went = sent.state == State.DELIVERED
    messages.add_message(request, messages.SUCCESS if went else messages.ERROR, f"The test was sent. {sent.words}")
    return redirect("notification", team.slug, found.pk)


@team_page(needs=Role.ADMIN)
@require_POST
def notification_redelivery(request: Request, team: Team, endpoint: str, pk: int) -> HttpResponse:
    found = Delivery.objects.select_related("endpoint__team").filter(endpoint=_endpoint(team, endpoint), pk=pk).first()
    if found is None:
        raise NotFound("such delivery")
    actions.redeliver(delivery=found, by=request.user)
    messages.success(request, "It is being sent again.")
    return redirect("notification", team.slug, found.endpoint_id)


def _endpoint(team: Team, pk: str) -> Endpoint:
    found = team.endpoints.select_related("team", "created_by").filter(pk=pk).first()
    if found is None:
        raise NotFound("such notification")
    return found
