"""The git hosts whose webhooks are understood. Another one is another module and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from apps.hooks.providers.base import Provider
from apps.hooks.providers.github import GitHub

PROVIDERS: tuple[Provider, ...] = (GitHub(),)


def find(headers: Mapping[str, str]) -> Provider | None:
    """The host that a request comes from, by its headers; the first that recognises them."""
    return next((provider for provider in PROVIDERS if provider.recognises(headers)), None)
