"""Page or fragment: decided here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render as render_template
from django.utils.cache import patch_vary_headers


def wants_fragment(request: HttpRequest) -> bool:
    """An htmx request that swaps a part of the page, not the whole of it and not one restoring the history."""
    htmx: Any = getattr(request, "htmx", None)  # requests refused early have not met its middleware
    return bool(htmx and not htmx.boosted and not htmx.history_restore_request)


def render(
    request: HttpRequest,
    page: str,
    context: Mapping[str, Any] | None = None,
    *,
    fragment: str | None = None,
    status: int = 200,
) -> HttpResponse:
    """`page` for a browser; `fragment`, if the page has one, for htmx. Both get the same context."""
    template = fragment if fragment and wants_fragment(request) else page
    response = render_template(request, template, context, status=status, using="jinja2")
    if fragment:
        patch_vary_headers(response, ["HX-Request", "HX-Boosted", "HX-History-Restore-Request"])
    return response


def render_error(
    request: HttpRequest, status: int, code: str, message: str, hint: str = "", *, reference: str = ""
) -> HttpResponse:
    """An error as a page, or as a toast that htmx shows beside what was there."""
    if wants_fragment(request):
        text = " ".join(part for part in (message, hint, reference and f"Number: {reference}.") if part)
        messages.error(request, text)
        response = HttpResponse(status=status)
        response["HX-Reswap"] = "none"
        return response
    context = {"status": status, "code": code, "message": message, "hint": hint, "reference": reference}
    return render(request, "error.html", context, status=status)
