"""The git hosts whose webhooks are understood. Another one is another module and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from apps.hooks.providers.base import Provider
from apps.hooks.providers.bitbucket import Bitbucket
from apps.hooks.providers.gitea import Gitea
from apps.hooks.providers.github import GitHub
from apps.hooks.providers.gitlab import GitLab

# Gitea and Forgejo send GitHub's headers too.
PROVIDERS: tuple[Provider, ...] = (Gitea(), GitHub(), GitLab(), Bitbucket())


def find(headers: Mapping[str, str]) -> Provider | None:
    """The host that a request comes from, by its headers; the first that recognises them."""
    return next((provider for provider in PROVIDERS if provider.recognises(headers)), None)
