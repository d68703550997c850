"""What is said to a host, and what of its answers is believed: made and read by oauthlib, sent by apps.sources."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from oauthlib.oauth2 import OAuth2Error, WebApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidGrantError

from apps.connections.models import OAuthApplication, Provider
from apps.connections.oauth import hosts
from apps.core.errors import UserError
from apps.sources import outbound
from apps.sources.urls import check_url

_TOKEN = re.compile(r"[\x21-\x7e]{8,8000}")
_LONGEST = 10 * 365 * 24 * 3600


class Revoked(Exception):
    """The host no longer knows the sign-in."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """`refresh` is empty where the host gives none; `lasts` in seconds, None: until it is revoked."""

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    lasts: float | None = None

    def dump(self) -> str:
        return json.dumps({"access": self.access, "refresh": self.refresh})

    @classmethod
    def load(cls, text: str) -> Tokens:
        held = json.loads(text)
        return cls(held["access"], held["refresh"])


@dataclass(frozen=True, slots=True)
class Speaker:
    """As `application`, whose `secret` the secret store keeps."""

    application: OAuthApplication
    secret: str = field(repr=False)

    @property
    def paths(self) -> hosts.Paths:
        return hosts.PATHS[Provider(self.application.provider)]

    @property
    def client(self) -> WebApplicationClient:
        return WebApplicationClient(self.application.client_id)

    def redeem(self, code: str, verifier: str, redirect: str) -> Tokens:
        """Raises UserError("sign_in_refused" | "source_unreachable")."""
        body = self.client.prepare_request_body(
            code=code, redirect_uri=redirect, code_verifier=verifier, include_client_id=not self.paths.basic,
            **self._secret(),
        )  # fmt: skip
        try:
            return self._tokens(body)
        except OAuth2Error as error:
            raise self._refused(error) from None

    def renew(self, refresh: str) -> Tokens:
        """Another pair; the present one may be worth nothing from now on. Raises Revoked, else as `redeem`."""
        own = {} if self.paths.basic else {"client_id": self.application.client_id}
        body = self.client.prepare_refresh_body(refresh_token=refresh, **own, **self._secret())
        try:
            made = self._tokens(body)
        except InvalidGrantError:
            raise Revoked from None
        except OAuth2Error as error:
            if error.error == "bad_refresh_token":  # GitHub's word
                raise Revoked from None
            raise self._refused(error) from None
        return Tokens(made.access, made.refresh or refresh, made.lasts)

    def account(self, tokens: Tokens) -> str:
        """Who signed in, as the host calls them. Raises UserError."""
        address = hosts.user_address(Provider(self.application.provider), self.application.host)
        status, said = self._ask("GET", address, {"Authorization": f"Bearer {tokens.access}"}, b"")
        found = [said.get(name) for name in self.paths.names] if isinstance(said, dict) else []
        name = next((one for one in found if isinstance(one, str) and one.isprintable() and one), "")
        if status != 200 or not name:
            hint = "Give the application the scopes that docs/git-access.md names, and connect again."
            raise UserError("sign_in_refused", f"{self.application.host} does not say who signed in.", hint)
        return name[:200]

    def revoke(self, tokens: Tokens) -> None:
        """Where the host can be told. Raises UserError("source_unreachable")."""
        for token in filter(None, (tokens.refresh, tokens.access) if self.paths.revoke else ()):
            body = {"token": token, "client_id": self.application.client_id, **self._secret()}
            self._post(self.paths.revoke, urllib.parse.urlencode(body))

    def _secret(self) -> dict[str, str]:
        return {} if self.paths.basic else {"client_secret": self.secret}

    def _tokens(self, body: str) -> Tokens:
        """Raises OAuth2Error for what the host refuses, in its own words."""
        status, said = self._post(self.paths.token, body)
        if not isinstance(said, dict):
            raise self._strange(status)
        told = self.client.parse_request_body_response(json.dumps(said))
        access, refresh, lasts = told.get("access_token"), told.get("refresh_token") or "", told.get("expires_in")
        texts = [one for one in (access, refresh) if one]
        if status >= 400 or not access or not all(isinstance(one, str) and _TOKEN.fullmatch(one) for one in texts):
            raise self._strange(status)
        limited = isinstance(lasts, (int, float)) and 0 < lasts < _LONGEST
        return Tokens(str(access), str(refresh), float(lasts) if limited else None)

    def _post(self, path: str, body: str) -> tuple[int, Any]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if self.paths.basic:
            pair = (urllib.parse.quote_plus(self.application.client_id), urllib.parse.quote_plus(self.secret))
            headers["Authorization"] = f"Basic {base64.b64encode(':'.join(pair).encode()).decode()}"
        return self._ask("POST", hosts.address(self.application.host, path), headers, body.encode())

    def _ask(self, method: str, address: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        allowed = settings.BRAINPOD.networks
        headers = {**headers, "Accept": "application/json", "User-Agent": "brainpod"}
        return outbound.ask(method, check_url(address, field="host", allowed=allowed), headers, body, allowed=allowed)

    def _strange(self, status: int) -> UserError:
        hint = "Try again in a minute; if it stays, see that the application is for this kind of host."
        what = f"{self.application.host} gives out no token now (status {status})."
        return UserError("source_unreachable", what, hint)

    def _refused(self, error: OAuth2Error) -> UserError:
        told = " ".join(str(error.error).split())[:60]
        hint = "Connect again. If it stays, have an operator compare the application's id, secret and redirect address"
        what = f"{self.application.host} did not accept the sign-in ({told})."
        return UserError("sign_in_refused", what, f"{hint} with those at the host.")


def page(application: OAuthApplication, *, state: str, verifier: str, redirect: str) -> str:
    """Where somebody is sent to sign in."""
    paths = hosts.PATHS[Provider(application.provider)]
    client = WebApplicationClient(application.client_id)
    return str(
        client.prepare_request_uri(
            hosts.address(application.host, paths.authorize), redirect_uri=redirect,
            scope=paths.api if application.api else paths.scope, state=state,
            code_challenge=client.create_code_challenge(verifier, "S256"), code_challenge_method="S256",
        )
    )  # fmt: skip
