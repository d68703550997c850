"""What may be typed into the forms of connections."""

from __future__ import annotations

import re
import unicodedata

from django.conf import settings

from apps.connections.models import Provider
from apps.core.errors import Detail, Invalid
from apps.sources.access import authority
from apps.sources.urls import check_url

_SCOPE = re.compile(r"[A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+){0,9}")
_USERNAME = re.compile(r"[A-Za-z0-9_.+@~-]{1,100}")
_TOKEN = re.compile(r"[\x21-\x7e]{8,4000}")
_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_APP = re.compile(r"[A-Za-z0-9._-]{1,40}")
KNOWN = {
    "github.com": Provider.GITHUB,
    "gitlab.com": Provider.GITLAB,
    "bitbucket.org": Provider.BITBUCKET,
    "codeberg.org": Provider.GITEA,
}
# Whose name goes with a token where the host does not care or has a word for it. Gitea would take the token as the
# name too; but names are shown in questions and messages, so it is always the password here.
USERNAMES = {
    Provider.GITHUB: "x-access-token",
    Provider.GITLAB: "oauth2",
    Provider.BITBUCKET: "x-token-auth",
    Provider.GITEA: "oauth2",
    Provider.OTHER: "git",
}


def check_host(text: str, scheme: str) -> str:
    """A host's name, with its port where that is not the usual one. Raises Invalid naming `host`."""
    host = text.strip().removeprefix("https://").removeprefix("ssh://").rstrip("/")
    if not host or "/" in host or "@" in host:
        raise _wrong("host", "must be the name of a git host, such as github.com.")
    parsed = check_url(f"{scheme}://{host}/any", field="host", allowed=settings.BRAINPOD.networks)
    return authority(parsed)


def check_provider(text: str, host: str) -> Provider:
    if host in KNOWN:
        return KNOWN[host]
    if text not in Provider.values:
        raise _wrong("provider", f"must be one of {', '.join(Provider.values)}.")
    return Provider(text)


def check_scope(text: str) -> str:
    """`owner` or `owner/repository`; empty: everything. Raises Invalid naming `scope`."""
    scope = text.strip().strip("/").removesuffix(".git")
    if scope and (not _SCOPE.fullmatch(scope) or len(scope) > 200 or {".", ".."} & set(scope.split("/"))):
        raise _wrong("scope", "must be an owner, or an owner and a repository, such as acme or acme/shop.")
    return scope


def check_name(text: str) -> str:
    name = " ".join(text.split())
    if len(name) > 80 or any(unicodedata.category(c).startswith("C") for c in name):
        raise _wrong("name", "must be at most 80 characters on one line.")
    return name


def check_username(text: str, provider: Provider, token: str) -> str:
    name = text.strip() or USERNAMES[provider]
    if not _USERNAME.fullmatch(name):
        raise _wrong("username", "must be a user name: letters, digits and . _ + @ ~ -")
    if name == token:
        raise _wrong("username", "must not be the token: leave it empty, and give the token as the token.")
    return name


def check_token(text: str) -> str:
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise _wrong("token", "must be a token as the host gave it out: at least 8 characters, without spaces.")
    return token


def check_app_id(text: str) -> str:
    if not _APP.fullmatch(text.strip()):
        raise _wrong("app_id", "must be the app's id, a number, or its client id.")
    return text.strip()


def check_installation(text: str) -> str:
    if not _NUMBER.fullmatch(text.strip()):
        raise _wrong("installation_id", "must be a number: it ends the address of the installation's page.")
    return text.strip()


def _wrong(field: str, message: str) -> Invalid:
    return Invalid([Detail(field, message)])
