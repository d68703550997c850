"""The API: its operations together, how a body is read, how an error is answered."""

from __future__ import annotations

import json
from typing import Any

from django.http import Http404, HttpRequest
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser

from apps.api import refusals
from apps.api.operations import (
    backups,
    blueprints,
    children,
    deploying,
    deployments,
    domains,
    events,
    images,
    imports,
    pods,
    resources,
    revisions,
    running,
    webhooks,
)  # fmt: skip
from apps.core.errors import Detail, Invalid

DESCRIPTION = (
    "Pods, their resources and revisions, and what runs, with tokens of a team. A policy's resource `urn:brain:pod:*` "
    "stands for every pod of the team, now and later. Errors have a stable code and the request's id."
)


class JsonBody(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        try:
            return json.loads(request.body)
        except (ValueError, RecursionError):
            raise Invalid([Detail("", "The body must be a JSON document.")]) from None


api = NinjaAPI(
    title="Brainpod API",
    version="1.0.0",
    description=DESCRIPTION,
    urls_namespace="api-v1",
    openapi_url=None,
    docs_url=None,
    parser=JsonBody(),
    servers=[{"url": "/"}],
)
_PARTS = (
    pods, resources, revisions, deploying, events, deployments, running, domains, backups, images, blueprints,
    children, imports, webhooks,
)  # fmt: skip
for _part in _PARTS:
    api.add_router("", _part.router)
for _kind in (Exception, Http404, HttpError, ValidationError):  # ninja has answers of its own for the last three
    api.add_exception_handler(_kind, refusals.answer)
