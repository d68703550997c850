"""What a team builds: its minutes of the month, what is being built, and what waits."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.builds import usage as minutes
from apps.core.errors import NotFound
from apps.dashboard import waiting
from apps.dashboard.access import Request, team_page
from apps.dashboard.render import render
from apps.deployments.models import OPEN_STATES, Deployment


@dataclass(slots=True)
class Row:
    """What one app used in the month."""

    pod: str
    app: str
    seconds: float = 0.0
    tries: int = 0
    failed: int = 0


@team_page()
@require_safe
def usage(request: Request, team: Team) -> HttpResponse:
    """`?month=2026-01`: of another month than this one."""
    month = _month(request.GET.get("month", ""))
    spent = minutes.used(team, month).total_seconds()
    limits = team.limits
    context = {
        "team": team,
        "month": month,
        "this_month": minutes.month(timezone.now()) == month,
        "before": (month - datetime.timedelta(days=1)).strftime("%Y-%m"),
        "after": (month + datetime.timedelta(days=31)).strftime("%Y-%m"),
        "limits": limits,
        "spent": spent,
        "part": min(100, round(spent / 0.6 / limits.minutes)) if limits.minutes else None,
        "over": limits.minutes is not None and spent >= limits.minutes * 60,
        "rows": _rows(team, month),
        "open": _open(team),
        "may_cancel": request.access.may(Role.DEVELOPER),
    }
    return render(request, "teams/usage.html", context, fragment="teams/_usage.html")


def _month(text: str) -> datetime.datetime:
    if not text:
        return minutes.month(timezone.now())
    try:
        return datetime.datetime.strptime(text, "%Y-%m").replace(tzinfo=datetime.UTC)
    except ValueError:
        raise NotFound("such month: write it as 2026-01") from None


def _rows(team: Team, month: datetime.datetime) -> list[Row]:
    """The apps that built in the month, the longest first."""
    found: dict[tuple[str, str], Row] = {}
    for run in minutes.runs(team, month).iterator():
        row = found.setdefault((run.pod_name, run.app), Row(run.pod_name, run.app))
        row.seconds += run.seconds
        row.tries += 1
        row.failed += run.outcome == "failed"
    return sorted(found.values(), key=lambda row: -row.seconds)


def _open(team: Team) -> list[tuple[Deployment, str]]:
    """What is under way and what waits, with what it waits for."""
    rows = Deployment.objects.filter(pod__team=team, state__in=OPEN_STATES, pod__deleting_at=None)
    found = rows.select_related("pod__team", "revision", "builder").order_by("-waits_for", "id")
    return [(row, waiting.words(row)) for row in sorted(found, key=lambda row: (row.state == "waiting", row.pk))]
