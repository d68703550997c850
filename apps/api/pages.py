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
    _name_contents(made["components"]["schemas"])
    return made


def _name_contents(schemas: dict[str, Any]) -> None:
    """Each kind of content and its spec by a name of their own, as programs that make clients need them."""
    content = schemas["Content"]
    named = {}
    for one in content["oneOf"]:
        kind = one["properties"]["kind"]["const"]
        spec = one["properties"]["spec"]
        schemas[f"{kind}Spec"] = spec | {"title": f"{kind}Spec"}
        properties = one["properties"] | {"spec": {"$ref": f"#/components/schemas/{kind}Spec"}}
        schemas[f"{kind}Content"] = one | {"properties": properties}
        named[kind] = f"#/components/schemas/{kind}Content"
    content["oneOf"] = [{"$ref": place} for place in named.values()]
    content["discriminator"] = {"propertyName": "kind", "mapping": named}


@public
@require_safe
def description(request: HttpRequest) -> HttpResponse:
    """OpenAPI 3.1. For everybody: it has nothing that the documents do not have."""
    return JsonResponse(schema())


@signed_in
@require_safe
def documentation(request: Request) -> HttpResponse:
    return render(request, "accounts/api.html")
