"""When two addresses are the same repository."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable

from django.conf import settings

from apps.core.errors import Invalid
from apps.sources.urls import check_url

# Hosts whose paths are the same in any case, and other names that they answer to.
CASELESS = frozenset({"github.com", "gitlab.com", "bitbucket.org"})
ALIASES = {
    "www.github.com": "github.com",
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}


def repository(url: str) -> str:
    """`github.com/you/app`: the same for the https and ssh addresses of one repository; empty for what is none.

    A port other than the scheme's own stays part of it, except at the hosts known by another name for that port.
    """
    try:
        parsed = check_url(url.strip(), allowed=settings.BRAINPOD.networks)
    except Invalid:
        return ""
    if parsed.scheme == "brainpod":
        return f"brainpod:{parsed.team}/{parsed.name}"
    host = ALIASES.get(parsed.host, parsed.host)
    path = urllib.parse.unquote(urllib.parse.urlsplit(parsed.url).path).strip("/")
    path = path.removesuffix(".git").rstrip("/")
    usual = parsed.port == {"https": 443, "ssh": 22}[parsed.scheme] or parsed.host in ALIASES
    return f"{host}{'' if usual else f':{parsed.port}'}/{path.lower() if host in CASELESS else path}"


def repositories(urls: Iterable[str]) -> list[str]:
    """The repositories that `urls` name, in their order, without doubles."""
    return [name for name in dict.fromkeys(repository(url) for url in urls) if name]
