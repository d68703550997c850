"""The addresses of the API, beneath /api/v1/."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from apps.api import pages
from apps.api.api import api
from apps.api.refusals import envelope

View = Callable[..., HttpResponseBase]


def finished(view: View) -> View:
    """The answer with what every answer has; refused methods told like every other error."""

    @functools.wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer = view(request, *args, **kwargs)
        if answer.status_code == 405:
            allowed = answer.headers.get("Allow", "")
            answer = envelope(request, 405, f"This address takes {allowed}.")
            answer["Allow"] = allowed
        answer.setdefault("Cache-Control", "no-store")
        for name, value in (allowance.headers if (allowance := getattr(request, "allowance", None)) else {}).items():
            answer[name] = value
        return answer

    return csrf_exempt(wrapper)  # tokens alone let in here, which no other site's form can send


def nothing(request: HttpRequest) -> HttpResponseBase:
    return envelope(request, 404, "There is no such address.")


_found, _app, _namespace = api.urls
_patterns = [one for one in _found if getattr(one, "name", "") != "api-root"]  # which only ninja itself asks for
for _pattern in _patterns:
    if isinstance(_pattern, URLPattern):
        _pattern.callback = finished(_pattern.callback)

urlpatterns = [
    path("openapi.json", pages.description, name="api-description"),
    path("docs", pages.documentation, name="api-documentation"),
    path("", include((_patterns, _app), namespace=_namespace)),
    re_path(r"^", finished(nothing), name="api-v1-nothing"),
]
