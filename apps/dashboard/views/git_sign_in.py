"""Signing in at a git host: off to it, and back."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.connections.models import Connection, Kind, OAuthApplication
from apps.connections.oauth import actions
from apps.core.errors import NotFound, UserError
from apps.dashboard.access import Request, signed_in, team_page
from apps.dashboard.render import render


@team_page(needs=Role.ADMIN)
@require_POST
def git_access_sign_in(request: Request, team: Team, application: str) -> HttpResponse:
    """A page that leads on to the host: a form's own answer may not redirect to another site."""
    found = OAuthApplication.objects.filter(pk=application).first()
    if found is None:
        raise NotFound("such OAuth application")
    return _away(request, team, found, None)


@team_page(needs=Role.ADMIN)
@require_POST
def git_access_reconnect(request: Request, team: Team, connection: str) -> HttpResponse:
    rows = team.connections.filter(kind=Kind.OAUTH).select_related("grant__application")
    found = rows.filter(pk=connection).first()
    if found is None:
        raise NotFound("such connection")
    return _away(request, team, found.grant.application, found)


def _away(request: Request, team: Team, application: OAuthApplication, connection: Connection | None) -> HttpResponse:
    to = actions.begin(team=team, application=application, browser=_browser(request), connection=connection)
    return render(request, "connections/away.html", {"team": team, "application": application, "to": to})


@signed_in
@require_GET
def git_access_callback(request: Request) -> HttpResponse:
    """Where the host sends people back to; its words are for `finish` alone."""
    try:
        made = actions.finish(browser=_browser(request), answer=request.GET.dict())
    except actions.SentBack as back:
        messages.error(request, str(back.error))
        return redirect("git-access", team=back.team.slug)
    except UserError as error:
        if error.code != "sign_in_ended":
            raise
        messages.error(request, str(error))
        return redirect("teams")
    messages.success(request, f"Signed in at {made.host} as {made.grant.account}.")
    return redirect("git-access-connection", team=made.team.slug, connection=made.pk)


def _browser(request: Request) -> actions.Browser:
    return actions.Browser(request.user, request.session.session_key or "")
