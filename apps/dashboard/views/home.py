"""What one has, at a glance."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from apps.accounts.models import Team
from apps.dashboard.access import Request, signed_in
from apps.dashboard.render import render
from apps.pods.models import Pod


@signed_in
@require_safe
def home(request: Request) -> HttpResponse:
    """The pods of all one's teams; `?team=` and `?q=` narrow it."""
    teams = list(Team.objects.of(request.user))
    team, text = request.GET.get("team", ""), request.GET.get("q", "").strip()
    pods = Pod.objects.visible_to(request.user).select_related("team").order_by("name")
    if team:
        pods = pods.filter(team__slug=team)
    if text:
        pods = pods.filter(name__icontains=text)
    context = {"pods": pods, "teams": teams, "team": team, "q": text, "filtered": bool(team or text)}
    return render(request, "home.html", context, fragment="_pods.html")
