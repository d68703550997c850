"""The page of a terminal in a running instance, and who had which."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.core.errors import NotFound
from apps.dashboard.access import Request, pod_page, team_page
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render
from apps.dashboard.resource_pages import resource_of
from apps.pods.models import Pod
from apps.terminals import actions

SHOWN = 200


@pod_page(needs=actions.NEEDS)
@require_safe
def terminal(request: Request, pod: Pod, name: str) -> HttpResponse:
    """`?instance=<id>`: which one; without, one that serves."""
    found, _ = resource_of(pod, name)
    if found.kind != "App":
        raise NotFound("such app in this pod")
    instances = [row for row in pod.workloads.filter(app=name, stopped_at=None) if row.handle]
    wanted = request.GET.get("instance", "")
    serving = [row for row in instances if row.serving] or instances
    chosen = next((row for row in instances if row.pk == wanted), None) if wanted else next(iter(serving), None)
    context = frame(pod, request.access) | {
        "resource": found,
        "instances": instances,
        "instance": chosen,
        "missing": bool(wanted) and chosen is None,
        "sessions": actions.visible(request.access).filter(pod=pod, app=name)[:10],
    }
    return render(request, "terminals/terminal.html", context)


@team_page()
@require_safe
def terminals(request: Request, team: Team) -> HttpResponse:
    """Of everybody for admins, one's own for others."""
    context = {
        "team": team,
        "sessions": actions.visible(request.access)[:SHOWN],
        "everybody": request.access.may(Role.ADMIN),
    }
    return render(request, "terminals/terminals.html", context, fragment="terminals/_terminals.html")


@team_page()
@require_POST
def terminal_ending(request: Request, team: Team, session: str) -> HttpResponse:
    """One's own, or anybody's for an admin."""
    found = actions.visible(request.access).filter(pk=session).first()
    if found is None:
        raise NotFound("such terminal session")
    actions.ask_to_end(session=found, by=request.user)
    messages.success(request, "The session is being ended.")
    return redirect("terminals", team=team.slug)
