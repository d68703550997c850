"""A GitHub App made by GitHub for the platform, and its installation: off to GitHub, and back, twice."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.connections import app_manifest, hook_secret
from apps.connections.models import Connection, Kind
from apps.connections.oauth.actions import Browser
from apps.core.errors import NotFound, UserError
from apps.dashboard.access import Request, signed_in, team_page
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.connections import AppManifestForm
from apps.dashboard.middleware import policy
from apps.dashboard.render import render
from apps.hooks.models import AppReceipt


@team_page(needs=Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def git_access_app(request: Request, team: Team) -> HttpResponse:
    """Asks where; then a page whose form goes to GitHub, which is let through for this one answer."""
    form = AppManifestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with errors_into(form, codes={}):
            page = app_manifest.begin(team=team, browser=_browser(request), **form.cleaned_data)
            answer = render(request, "connections/app_away.html", {"team": team, "page": page})
            answer["Content-Security-Policy"] = policy(request, forms_to=f"https://{page.host}")
            return answer
    context = {"team": team, "form": form, "reachable": app_manifest.is_reachable()}
    return render(request, "connections/app_new.html", context, status=422 if form.errors else 200)


@signed_in
@require_GET
def git_access_app_callback(request: Request) -> HttpResponse:
    """GitHub has made it."""
    try:
        made = app_manifest.finish(browser=_browser(request), answer=request.GET.dict())
    except UserError as error:
        return _back(request, error)
    messages.success(request, f"{made.name} was made. Install it, and choose its repositories.")
    return redirect("git-access-connection", team=made.team.slug, connection=made.pk)


@team_page(needs=Role.ADMIN)
@require_POST
def git_access_app_install(request: Request, team: Team, connection: str) -> HttpResponse:
    found = _app(team, connection)
    to = app_manifest.install(connection=found, browser=_browser(request))
    return render(request, "connections/away.html", {"team": team, "application": found, "to": to})


@signed_in
@require_GET
def git_access_app_setup(request: Request) -> HttpResponse:
    """GitHub has installed it."""
    try:
        found = app_manifest.installed(browser=_browser(request), answer=request.GET.dict())
    except UserError as error:
        return _back(request, error)
    messages.success(request, f"{found.name} is installed for {found.scope}.")
    return redirect("git-access-connection", team=found.team.slug, connection=found.pk)


@team_page(needs=Role.ADMIN)
@require_safe
def git_access_deliveries(request: Request, team: Team, connection: str) -> HttpResponse:
    """The inbox of the app: what GitHub, or somebody who is not GitHub, has sent; the newest first."""
    found = _app(team, connection)
    receipts = AppReceipt.objects.filter(connection=found)
    return render(request, "connections/deliveries.html", {"team": team, "connection": found, "receipts": receipts})


@team_page(needs=Role.ADMIN)
@require_http_methods(["POST", "DELETE"])
def git_access_hook(request: Request, team: Team, connection: str) -> HttpResponse:
    """POST replaces the webhook's secret here and at GitHub, DELETE ends the old one."""
    found = _app(team, connection)
    if request.method == "DELETE":
        hook_secret.end_old(connection=found, by=request.user)
        messages.success(request, "Only the new secret counts now.")
        return redirect("git-access-connection", team=team.slug, connection=found.pk)
    try:
        hook_secret.rotate(connection=found, by=request.user)
    except UserError as error:
        if error.code in ("forbidden", "not_found"):
            raise
        messages.error(request, str(error))
    else:
        messages.success(request, "GitHub signs with a new secret; the old one counts for 24 hours more.")
    return redirect("git-access-connection", team=team.slug, connection=found.pk)


def _app(team: Team, pk: str) -> Connection:
    found = team.connections.filter(pk=pk, kind=Kind.GITHUB_APP).select_related("team").first()
    if found is None:
        raise NotFound("such GitHub App")
    return found


def _back(request: Request, error: UserError) -> HttpResponse:
    if error.code in ("forbidden", "not_found"):
        raise error
    messages.error(request, str(error))
    return redirect("teams")


def _browser(request: Request) -> Browser:
    return Browser(request.user, request.session.session_key or "")
