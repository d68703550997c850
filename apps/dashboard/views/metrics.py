"""What the charts of an app, a database or a route draw."""

from __future__ import annotations

from django.http import JsonResponse
from django.views.decorators.http import require_safe

from apps.core.errors import NotFound
from apps.dashboard import metrics_page
from apps.dashboard.access import Request, pod_page
from apps.dashboard.resource_pages import resource_of, tabs_of
from apps.pods.models import Pod


@pod_page()
@require_safe
def app_metrics(request: Request, pod: Pod, name: str) -> JsonResponse:
    """`?range=` 1h (the default), 6h, 24h, 7d or 30d; shapes and units: apps/metrics/charts.py."""
    found, _ = resource_of(pod, name)
    if "metrics" not in tabs_of(found):
        raise NotFound("figures of it")
    return JsonResponse(metrics_page.data(pod, found, request.GET.get("range", "1h")))
