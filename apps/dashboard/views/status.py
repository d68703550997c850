"""How the platform itself is, for operators."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.dashboard import platform_parts, platform_state
from apps.dashboard.access import Request, staff_page
from apps.dashboard.render import render

CERTIFICATES = 10


@never_cache
@staff_page
@require_safe
def status(request: Request) -> HttpResponse:
    certificates = platform_state.certificates()
    context = {
        "parts": platform_parts.parts(),
        "versions": platform_parts.versions(),
        "queues": platform_state.queues(),
        "leases": [one for one in platform_state.leases() if one.held or one.run_out],
        "outboxes": platform_state.outboxes(),
        "builders": platform_state.builders(),
        "edge": platform_state.edge_state(),
        "disk": platform_state.disk(),
        "certificates": certificates[:CERTIFICATES],
        "more": max(0, len(certificates) - CERTIFICATES),
    }
    return render(request, "services/status.html", context, fragment="services/_status.html")
