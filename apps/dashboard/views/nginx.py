"""The configuration of nginx: all of it for operators, for teams what concerns a route of theirs."""

from __future__ import annotations

import datetime

from django.conf import settings
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from apps.core.errors import PlatformError
from apps.dashboard.access import Request, pod_page, staff_page
from apps.dashboard.render import render
from apps.dashboard.resource_pages import resource_of
from apps.edge import edge
from apps.pods.models import Pod

MOST = 2000  # lines that are shown


@staff_page
@require_safe
def nginx(request: Request) -> HttpResponse:
    """`q`: only the lines that have it in them, whatever the case."""
    served, asked = edge().served(), request.GET.get("q", "").strip()[:200]
    lines = [
        (number, line)
        for number, line in enumerate(served.text.splitlines(), 1)
        if asked.lower() in line.lower()
    ]  # fmt: skip
    context = {
        "q": asked,
        "lines": lines[:MOST],
        "more": max(0, len(lines) - MOST),
        "served": served,
        "since": _time(served.since),
        "refused_at": _time(served.refused_at),
        "outside": settings.BRAINPOD.outside,
        "number": _number(),
    }
    return render(request, "nginx/nginx.html", context)


@staff_page
@require_safe
def nginx_text(request: Request) -> HttpResponse:
    headers = {"Content-Disposition": 'attachment; filename="brainpod.conf"'}
    return HttpResponse(edge().served().text, content_type="text/plain; charset=utf-8", headers=headers)


@pod_page()
@require_safe
def route_nginx(request: Request, pod: Pod, name: str) -> HttpResponse:
    """As text, with the route's own hosts alone."""
    found, _ = resource_of(pod, name)
    text = edge().shown(f"{pod.pk}/{found.name}").text or "# Nothing of this route is served yet.\n"
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def _time(seconds: float) -> datetime.datetime | None:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC) if seconds else None


def _number() -> int:
    """What the nginx that runs says it serves; 0: it does not answer."""
    try:
        return edge().generation()
    except PlatformError:
        return 0
