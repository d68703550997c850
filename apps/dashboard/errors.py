"""Error pages: what went wrong, what to do, and the number that finds it in the log."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.dashboard.render import render_error


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render_error(request, 400, "bad_request", "This request makes no sense to the platform.")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render_error(request, 403, "forbidden", "You may not do this.", "Ask an admin of the team.")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render_error(request, 404, "not_found", "There is no such page.", "It may have been deleted or renamed.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render_error(
        request,
        403,
        "csrf",
        "This form has expired or was sent from another site.",
        "Reload the page and send it again.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    return render_error(
        request,
        500,
        "internal",
        "Something broke on our side.",
        "Try again; if it stays, give an operator the number below.",
        reference=getattr(request, "id", ""),
    )
