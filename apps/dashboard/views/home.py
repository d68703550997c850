"""What one has, at a glance."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.backups import pinned
from apps.backups.platform import kept
from apps.dashboard.access import Request, signed_in
from apps.dashboard.certificate_card import all_alarms
from apps.dashboard.pod_cards import as_html, cards, news, teams_of
from apps.dashboard.render import render


@signed_in
@require_safe
def home(request: Request) -> HttpResponse:
    """The pods of all one's teams; `?team=` and `?q=` narrow it."""
    team, text = request.GET.get("team", ""), request.GET.get("q", "").strip()
    teams = teams_of(request.user)
    closed = [one.name for one in teams if one.wants_second_factor]
    found = cards(request.user, team=team, text=text)
    context = {
        "cards": as_html(found),
        "news": news(found, timezone.now()),
        "teams": teams,
        "closed": [] if closed and request.user.has_second_factor() else closed,
        "team": team,
        "q": text,
        "filtered": bool(team or text),
        "alarms": all_alarms() if request.user.is_staff else [],
        "backup_alarm": kept.alarm(timezone.now()) or pinned.alarm() if request.user.is_staff else "",
    }
    return render(request, "home.html", context, fragment="_pods.html")
