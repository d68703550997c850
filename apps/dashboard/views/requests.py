"""What is new in the request log of a route or an app, for the page that shows it."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from apps.core.errors import NotFound
from apps.dashboard import request_page
from apps.dashboard.access import Request, pod_page
from apps.dashboard.render import render
from apps.dashboard.resource_pages import resource_of
from apps.pods.models import Pod


@pod_page()
@require_safe
def request_news(request: Request, pod: Pod, name: str) -> HttpResponse:
    """`?after=<place>` and the filters of the page; the answer asks again by itself."""
    found, _ = resource_of(pod, name)
    if found.kind not in request_page.KINDS:
        raise NotFound("such request log in this pod")
    context = request_page.news(pod, found, request.GET.dict()) | {"pod": pod, "resource": found}
    return render(request, "resources/_request_news.html", context)
