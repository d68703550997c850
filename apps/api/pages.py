"""The API's own description, and a page to read it and try it out."""

from __future__ import annotations

import functools
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from apps.api.api import api
from apps.dashboard.access import Request, public, signed_in
from apps.dashboard.render import render


@functools.cache
def schema() -> dict[str, Any]:
    made: dict[str, Any] = api.get_openapi_schema(path_prefix="/api/v1/")
    return made


@public
@require_safe
def description(request: HttpRequest) -> HttpResponse:
    """OpenAPI 3.1. For everybody: it has nothing that the documents do not have."""
    return JsonResponse(schema())


@signed_in
@require_safe
def documentation(request: Request) -> HttpResponse:
    return render(request, "accounts/api.html")
