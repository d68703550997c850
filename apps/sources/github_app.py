"""Installation tokens of a GitHub App: asked for with a signed statement of who we are, good for one hour."""

from __future__ import annotations

import base64
import datetime
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from apps.core.addresses import Network
from apps.core.errors import Detail, Invalid, UserError
from apps.sources import outbound
from apps.sources.urls import check_url

READS: Mapping[str, str] = {"contents": "read"}
_TOKEN = re.compile(r"[\x21-\x7e]{8,2000}")


@dataclass(frozen=True, slots=True)
class Token:
    """`ends` in seconds since 1970."""

    value: str = field(repr=False)
    ends: float


def api_of(host: str) -> str:
    return "https://api.github.com" if host == "github.com" else f"https://{host}/api/v3"


@dataclass(frozen=True, slots=True)
class App:
    """`id`: the app's id or client id; `private_key`: PEM as GitHub gives it out."""

    host: str
    id: str
    installation: str
    private_key: str = field(repr=False)

    @property
    def api(self) -> str:
        """GitHub Enterprise has it beside the pages, github.com on a host of its own."""
        return api_of(self.host)


def read_key(text: str, field: str = "private_key") -> rsa.RSAPrivateKey:
    """The app's private key. Raises Invalid naming `field`; the message has nothing of the key."""
    try:
        key = serialization.load_pem_private_key(text.strip().encode(), password=None)
    except (ValueError, TypeError, UnicodeEncodeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < 2048:
        words = "must be the app's private key: the whole .pem file that GitHub gave you, BEGIN and END lines included."
        raise Invalid([Detail(field, words)])
    return key


def statement(app: App, now: float) -> str:
    """The JWT that says who asks: by RS256, good for nine minutes, begun a minute ago for clocks that differ."""
    claims = {"iat": int(now) - 60, "exp": int(now) + 540, "iss": app.id}
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    signature = read_key(app.private_key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def issue(
    app: App, repository: str, *, permissions: Mapping[str, str] = READS, allowed: Iterable[Network] = ()
) -> Token:
    """A token for `repository` (its name, without the owner; empty: all of the installation's) and `permissions` alone.

    Raises UserError("authentication_failed" | "repository_not_found" | "host_refused" | "source_unreachable").
    """
    allowed = tuple(allowed)
    address = f"{app.api}/app/installations/{app.installation}/access_tokens"
    headers = _headers(app)
    body = {**({"repositories": [repository]} if repository else {}), "permissions": dict(permissions)}
    status, answer = outbound.post(check_url(address, field="host", allowed=allowed), body, headers, allowed=allowed)
    if status != 201:
        raise _refused(status, answer, repository)
    try:
        ends = datetime.datetime.fromisoformat(answer["expires_at"]).timestamp()
        if not _TOKEN.fullmatch(answer["token"]):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise UserError("source_unreachable", "The host's answer holds no token.", "Is it a GitHub server?") from None
    return Token(answer["token"], ends)


def owner_of(app: App, *, allowed: Iterable[Network] = ()) -> str:
    """Whose repositories the installation reaches, which is this app's own. Raises UserError as `issue`."""
    allowed = tuple(allowed)
    at = check_url(f"{app.api}/app/installations/{app.installation}", field="host", allowed=allowed)
    status, said = outbound.ask("GET", at, _headers(app), allowed=allowed)
    owner = said.get("account", {}).get("login") if status == 200 and isinstance(said, dict) else None
    if not isinstance(owner, str):
        raise _refused(status, said, "")
    return owner


def set_hook_secret(app: App, secret: str, *, allowed: Iterable[Network] = ()) -> None:
    """Have what the app's webhook sends signed with `secret`.

    Raises UserError("authentication_failed" | "host_refused" | "source_unreachable").

    https://docs.github.com/en/rest/apps/webhooks#update-a-webhook-configuration-for-an-app
    """
    allowed = tuple(allowed)
    at = check_url(f"{app.api}/app/hook/config", field="host", allowed=allowed)
    headers = {**_headers(app), "Content-Type": "application/json"}
    status, said = outbound.ask("PATCH", at, headers, json.dumps({"secret": secret}).encode(), allowed=allowed)
    if status == 404:
        hint = "Switch the webhook on in the app's settings at GitHub."
        raise UserError("host_refused", "The GitHub App has no webhook.", hint)
    if status in (401, 403):
        raise _refused(status, said, "")
    if status != 200:
        words = f"{app.host} does not take the new secret now (status {status})."
        raise UserError("source_unreachable", words, "Try again in a minute.")


def _headers(app: App) -> dict[str, str]:
    return {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {statement(app, time.time())}",
        "X-GitHub-Api-Version": "2022-11-28",
        "User-Agent": "brainpod",
    }


def _refused(status: int, answer: Any, repository: str) -> UserError:
    said = answer.get("message") if isinstance(answer, dict) else None
    told = f" (the host: {' '.join(said.split())[:200]})" if isinstance(said, str) else f" (status {status})"
    if status in (401, 403):
        hint = "Check the app's id, give it a new private key at GitHub if this one was revoked, and see that the"
        hint += f" clock of this machine is right.{told}"
        return UserError("authentication_failed", "The host does not accept the GitHub App's key.", hint)
    if status == 404:
        hint = f"Check the installation's id: it is the number at the end of its page's address.{told}"
        return UserError("authentication_failed", "The GitHub App has no such installation.", hint)
    if status == 422 and "permission" in told:
        hint = f"Give the app the permissions of docs/git-access.md at GitHub, and accept them there.{told}"
        return UserError("host_refused", "The GitHub App was not given the permission for this.", hint)
    if status == 422:
        hint = f"Add the repository to the installation, with read access to its contents.{told}"
        message = f"The installation of the GitHub App does not reach the repository {repository}."
        return UserError("repository_not_found", message, hint)
    hint = f"Try again in a minute.{told}"
    return UserError("source_unreachable", "The host gives out no token now.", hint)
