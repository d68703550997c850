"""What every request passes through; the order is in brainpod/settings.py."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

import structlog
from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string

from apps.accounts.throttle import address_of
from apps.audit.circumstances import within
from apps.core import room
from apps.core.errors import PlatformError, Unavailable, UserError
from apps.core.ids import new_id
from apps.dashboard.render import render_error, wants_fragment

Handler = Callable[[HttpRequest], HttpResponseBase]
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")  # as in the edge's $request_number
log = structlog.get_logger("dashboard")


def request_id(get_response: Handler) -> Handler:
    """`request.id`: nginx's if it gave one; in the answer's header, in every line of the log and on error pages."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        request.id = given if _GIVEN_ID.fullmatch(given) else new_id()  # type: ignore[attr-defined]
        # Bound until the thread's next request: Django logs the answer's status after all middleware.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request.id)  # type: ignore[attr-defined]
        response = get_response(request)
        response["X-Request-ID"] = request.id  # type: ignore[attr-defined]
        return response

    return middleware


def circumstances(get_response: Handler) -> Handler:
    """Where a request comes from and its number, for the audit log of what is done in it."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with within(address=address_of(request), request=request.id):  # type: ignore[attr-defined]
            return get_response(request)

    return middleware


def content_security_policy(get_response: Handler) -> Handler:
    """Scripts and styles of our own, or carrying the nonce of this one answer (`request.csp_nonce`)."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        request.csp_nonce = secrets.token_urlsafe(16)  # type: ignore[attr-defined]
        response = get_response(request)
        response.setdefault("Content-Security-Policy", policy(request))
        return response

    return middleware


def policy(request: HttpRequest, *, forms_to: str = "") -> str:
    """`forms_to`: the origin that forms of this one answer may be sent to besides."""
    nonce = request.csp_nonce  # type: ignore[attr-defined]
    return (
        f"default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
        "img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        f"form-action 'self'{f' {forms_to}' if forms_to else ''}; frame-ancestors 'none'"
    )


def htmx_redirect(get_response: Handler) -> Handler:
    """A redirect answered to htmx becomes one of the browser: htmx would swap the next page into this one's part."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if wants_fragment(request) and 300 <= response.status_code < 400 and "Location" in response:
            redirect = HttpResponse(status=204, headers={"HX-Redirect": response["Location"]})
            redirect.cookies = response.cookies
            return redirect
        return response

    return middleware


def htmx_messages(get_response: Handler) -> Handler:
    """Messages of an htmx request travel with its answer, out of band; a redirect leaves them for the next page."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if (
            wants_fragment(request)
            and isinstance(response, HttpResponse)
            and response.status_code != 204
            and not 300 <= response.status_code < 400
            and "HX-Redirect" not in response
            and response.get("Content-Type", "").startswith("text/html")
            and (messages := list(get_messages(request)))
        ):
            response.write(render_to_string("_toasts.html", {"messages": messages}, request, using="jinja2"))
        return response

    return middleware


class _Errors:
    """Django asks the innermost middleware first what to make of an exception; None leaves it to the handlers."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Forms refuse it themselves, the API in a form of its own; PostgreSQL has no such text.
        if "%00" in request.META.get("QUERY_STRING", "") and not request.path.startswith("/api/v1/"):
            hint = "Take it out of the address and try again."
            return render_error(request, 400, "bad_request", "The address has a NUL character in it.", hint)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if (told := room.full(error)) is not None:
            log.error("no_room", error=str(error))
            error = told
        match error:
            case UserError():
                return render_error(request, error.status, error.code, error.message, error.hint)
            case PlatformError():
                log.error("platform_error", id=error.id, code=error.code, exc_info=error)
                status = 503 if isinstance(error, Unavailable) else 500
                return render_error(request, status, error.code, error.message, error.hint, reference=error.id)
        return None


def user_errors(get_response: Handler) -> _Errors:
    """UserError and PlatformError become pages, or toasts for htmx."""
    return _Errors(get_response)
