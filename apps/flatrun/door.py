"""What every address of this API passes: method, token, size, JSON; and how answers and errors are written."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from apps.accounts import tokens
from apps.accounts.models import User
from apps.core.errors import Invalid, PlatformError, Unavailable, UserError

LARGEST = 1_000_000  # bytes of a request
_ESCAPED = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}

log = structlog.get_logger(__name__)


class Request(HttpRequest):
    """`user`: the operator whose token was shown. `sent`: the JSON object of its body."""

    user: User
    sent: dict[str, Any]


View = Callable[..., tuple[int, dict[str, Any]]]
Answering = Callable[..., HttpResponse]


def endpoint(
    method: str, *, body: bool = False, failed: Mapping[str, Any] = MappingProxyType({})
) -> Callable[[View], Answering]:
    """For operators' tokens. The view answers (status, object); what it raises becomes `{"error": "…"}`, with what is
    in `failed` beside it. `body`: it is looked at."""

    def decorator(view: View) -> Answering:
        @functools.wraps(view)
        def wrapper(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                allowed = (method, "HEAD") if method == "GET" else (method,)
                if request.method not in allowed:
                    raise UserError("method_not_allowed", f"This address takes {method}.", status=405)
                request.user = tokens.operator(request).user
                request.sent = _sent(request) if body else {}
                return answer(*view(request, *args, **kwargs))
            except UnreadablePostError:
                return answer(400, {"error": "The request ended early."})
            except (UserError, PlatformError, DatabaseError) as error:
                return refused(error, method, failed)

        return csrf_exempt(wrapper)

    return decorator


def refused(error: Exception, method: str, failed: Mapping[str, Any]) -> HttpResponse:
    """A field's name comes first, as `host: …`. Raised by the platform itself: with its number in the log."""
    if isinstance(error, UserError):
        status = 400 if isinstance(error, Invalid) else error.status
        said = answer(status, {"error": str(error), **failed})
        if status == 401:
            said["WWW-Authenticate"] = "Bearer"
        if status == 405:
            said["Allow"] = method
        return said
    if isinstance(error, PlatformError):
        log.error("flatrun_platform_error", id=error.id, code=error.code, exc_info=error)
        words = f"{error.message} {error.hint}".strip()
        return answer(503 if isinstance(error, Unavailable) else 500, {"error": f"{words} ({error.id})", **failed})
    log.error("flatrun_database", error=str(error))
    return answer(503, {"error": "The platform cannot answer now. Try again in a minute."})


def answer(status: int, said: dict[str, Any]) -> HttpResponse:
    """JSON without spaces; letters as they are, but for those that mean something in a page."""
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED)
    content = text.encode("utf-8", "replace")
    made = HttpResponse(content, status=status, content_type="application/json; charset=utf-8")
    made["Cache-Control"] = "no-store"
    return made


def _sent(request: HttpRequest) -> dict[str, Any]:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > LARGEST:
        raise UserError("too_large", f"The request is too large: {LARGEST // 1000} kB at most.", status=413)
    if not request.body.strip():
        return {}
    try:
        found = json.loads(request.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UserError("bad_request", "The body must be a JSON object.", status=400)
    return found
