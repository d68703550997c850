"""Errors of the platform itself, reported to a Sentry that the settings name. Loaded only where there is one.

What is sent is the error, its stack without the values of variables, and the lines around it; no request's body,
cookies or address. Whatever is sent is masked first: the secrets of the settings, however they are written, and the
tokens of one-time links.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import sentry_sdk
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import LoggingIntegration

from apps.core.links import hide_tokens
from apps.core.masking import Mask

if TYPE_CHECKING:
    from brainpod.config import Config

SECRET = ("secret", "token", "password", "role_id", "secret_id")
IN_ADDRESSES = ("database_url", "valkey_url")
HEADERS = ("host", "x-request-id")
DROPPED = ("cookies", "data", "env", "query_string")


def start(config: Config, *, secret_key: str = "") -> None:
    mask = Mask([*secrets_of(config), secret_key])

    def before_send(event: Any, _: Any) -> Any:
        return cleaned(event, mask)

    sentry_sdk.init(
        dsn=config.sentry_dsn,
        environment=config.sentry_environment,
        before_send=before_send,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        server_name=config.dashboard_host,
        auto_enabling_integrations=False,
        integrations=[DjangoIntegration(), CeleryIntegration(), LoggingIntegration()],
        traces_sample_rate=None,
    )


def secrets_of(config: Config) -> list[str]:
    """The values of settings that nobody else may know."""
    found = [str(getattr(config, f.name)) for f in fields(config) if f.name.endswith(SECRET) or f.name == "secret_key"]
    for name in IN_ADDRESSES:
        password = urlsplit(getattr(config, name)).password or ""
        found += [password, unquote(password)]
    return [value for value in found if value]


def cleaned(event: dict[str, Any], mask: Mask) -> dict[str, Any]:
    """`event` as it may leave this host."""
    request = event.get("request", {})
    for name in DROPPED:
        request.pop(name, None)
    if request:
        given = request.get("headers", {})
        request["headers"] = {name: value for name, value in given.items() if name.lower() in HEADERS}
    event.pop("user", None)
    event.pop("modules", None)
    masked: dict[str, Any] = json.loads(hide_tokens(mask(json.dumps(event, default=str, ensure_ascii=False))))
    return masked
