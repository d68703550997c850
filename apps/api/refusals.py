"""Every error of the API in the one envelope that the public API has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from ninja.errors import HttpError
from ninja.errors import ValidationError as Unfit

from apps.core import room
from apps.core.errors import Conflict, Detail, Invalid, PlatformError, Unavailable, UserError
from apps.pods.kinds.words import words

CODES = {
    400: "BAD_REQUEST", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 412: "PRECONDITION_FAILED",
    413: "REQUEST_TOO_LARGE", 429: "RATE_LIMITED", 500: "INTERNAL_ERROR", 503: "SERVICE_UNAVAILABLE",
}  # fmt: skip
OTHERS = {409: 412, 422: 400, 507: 503}  # what the public API answers where we have another status

log = structlog.get_logger(__name__)


def envelope(
    request: HttpRequest, status: int, message: str, details: Iterable[Detail] = (), *, word: str = ""
) -> HttpResponse:
    said: dict[str, Any] = {
        "code": word or CODES.get(status, "BAD_REQUEST"),
        "message": message,
        "requestId": getattr(request, "id", ""),
    }
    if listed := [{"path": one.path, "message": one.message} for one in details]:
        said["details"] = listed
    answer = JsonResponse({"error": said}, status=status)
    if status == 401:
        answer["WWW-Authenticate"] = "Bearer"
    return answer


def answer(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    """What is told of `error`, whatever it is."""
    if isinstance(error, Exception):
        error = room.full(error) or error
    match error:
        case Unfit():
            return _invalid(request, [_detail(one) for one in error.errors])
        case Invalid():
            return _invalid(request, error.details)
        case Conflict():
            return envelope(request, 412, str(error), [Detail("", error.message)])
        case UserError():
            status = OTHERS.get(error.status, error.status)
            return envelope(request, status, str(error))
        case Http404():
            return envelope(request, 404, "There is no such address.")
        case RequestDataTooBig():
            return envelope(request, 413, "The request is too large.")
        case UnreadablePostError() | HttpError():
            return envelope(request, 400, "The request cannot be read: send a whole JSON document.")
        case PlatformError():
            log.error("api_platform_error", id=error.id, exc_info=error)
            status = 503 if isinstance(error, Unavailable) else 500
            return envelope(request, status, f"{error.message} {error.hint}".strip() + f" ({error.id})")
        case DatabaseError():
            log.error("api_database", exc_info=error)
            return envelope(request, 503, "The platform cannot answer now. Try again in a minute.")
    log.error("api_error", exc_info=error)
    return envelope(request, 500, "Something broke on our side. Try again; an operator finds it by the request's id.")


def _invalid(request: HttpRequest, details: Iterable[Detail]) -> HttpResponse:
    listed = list(details)
    message = "; ".join(f"{one.path}: {one.message}" if one.path else one.message for one in listed)
    return envelope(request, 400, message, listed, word="VALIDATION_ERROR")


def _detail(error: dict[str, Any]) -> Detail:
    """Of the address: `limit`; of the body: `0.metadata.name`. pydantic's own name of the body is left out."""
    where, *path = error["loc"]
    if where == "body":
        path = path[1:]
    said = words(error["type"], error["msg"], error.get("ctx") or {})
    return Detail(".".join(map(str, path)), said) if path else Detail("", f"The body {said}")
