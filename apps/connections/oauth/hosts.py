"""Where each kind of host has its OAuth pages, and what is asked for: reading repositories, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass

from apps.connections.models import Provider


@dataclass(frozen=True, slots=True)
class Paths:
    """`user` answers who signed in, in JSON; `names`: its fields that say so, the first that is there.

    `api`: the scopes asked for where more than cloning is wanted.
    `basic`: the application says who it is in a header, not in the form. `revoke`: RFC 7009; empty: there is none.
    """

    authorize: str
    token: str
    user: str
    scope: str
    names: tuple[str, ...]
    api: str
    revoke: str = ""
    basic: bool = False


PATHS = {
    # A classic OAuth app has no narrower scope for private repositories.
    Provider.GITHUB: Paths(
        "/login/oauth/authorize", "/login/oauth/access_token", "/api/v3/user", "repo", ("login",), "repo"
    ),
    Provider.GITLAB: Paths(
        "/oauth/authorize", "/oauth/token", "/api/v4/user", "read_user read_repository", ("username",),
        "read_user read_repository api", "/oauth/revoke",
    ),
    Provider.BITBUCKET: Paths(
        "/site/oauth2/authorize", "/site/oauth2/access_token", "/2.0/user", "repository account",
        ("username", "nickname", "display_name"), "repository account webhook pullrequest", basic=True,
    ),
    Provider.GITEA: Paths(
        "/login/oauth/authorize", "/login/oauth/access_token", "/api/v1/user", "read:repository read:user", ("login",),
        "write:repository write:issue read:user",
    ),
}  # fmt: skip
_ELSEWHERE = {"github.com": "https://api.github.com/user", "bitbucket.org": "https://api.bitbucket.org/2.0/user"}


def address(host: str, path: str) -> str:
    return f"https://{host}{path}"


def user_address(provider: Provider, host: str) -> str:
    """The well-known hosts have their API on a name of its own."""
    return _ELSEWHERE.get(host) or address(host, PATHS[provider].user)
