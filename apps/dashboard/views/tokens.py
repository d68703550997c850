"""Tokens for programs: one's own made, shown once, revoked; those of members seen and revoked by owners."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts import tokens as actions
from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.core.errors import NotFound
from apps.dashboard.access import Request, signed_in, team_page
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.tokens import TokenForm
from apps.dashboard.render import render


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: Request) -> HttpResponse:
    """Posting makes one, which is shown in the answer to the post alone: no cache or history keeps it."""
    if request.method != "POST":
        return _page(request, TokenForm(user=request.user))
    form = TokenForm(request.POST, user=request.user)
    if form.is_valid():
        with errors_into(form):
            _, made = actions.make(user=request.user, **form.asked())
            return _page(request, TokenForm(user=request.user), made=made)
    return _page(request, form, status=422)


@signed_in
@require_http_methods(["DELETE"])
def token(request: Request, pk: int) -> HttpResponse:
    found = request.user.api_tokens.filter(pk=pk).first()
    if found is None:
        raise NotFound("such token")
    actions.revoke(token=found)
    messages.success(request, "That token counts no longer.")
    return redirect("account-tokens")


@team_page(needs=Role.OWNER)
@require_safe
def team_tokens(request: Request, team: Team) -> HttpResponse:
    return render(request, "teams/tokens.html", {"team": team, "rows": team.api_tokens.select_related("user")})


@team_page(needs=Role.OWNER)
@require_http_methods(["DELETE"])
def team_token(request: Request, team: Team, pk: int) -> HttpResponse:
    found = team.api_tokens.select_related("team", "user").filter(pk=pk).first()
    if found is None:
        raise NotFound("such token of this team")
    actions.revoke_of_member(token=found, by=request.user)
    messages.success(request, f"The token {found.name} of {found.user} counts no longer.")
    return redirect("team-tokens", team=team.slug)


def _page(request: Request, form: TokenForm, *, made: str = "", status: int = 200) -> HttpResponse:
    rows = request.user.api_tokens.select_related("team")
    return render(request, "accounts/tokens.html", {"form": form, "rows": rows, "made": made}, status=status)
