"""A git host where people sign in: oauthlib's own authorization server behind the pages of each kind of host.

It gives out one pair of tokens at a time, as GitLab does: a refresh ends both tokens before it. Its repositories are
shown to the present access token alone.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from oauthlib.common import Request
from oauthlib.oauth2 import RequestValidator, WebApplicationServer

from apps.connections.checks import USERNAMES
from apps.connections.models import Provider
from apps.connections.oauth.hosts import PATHS
from tests.sources.conftest import Served

CLIENT, SECRET = "brainpod-client", "planted-client-secret"
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Store(RequestValidator):
    """What the host remembers. `lasts`: seconds that an access token is good for."""

    redirect: str
    lasts: int = 7200
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    access: str = ""
    refresh: str = ""
    refreshes: int = 0

    def validate_client_id(self, client_id: str, request: Request, *args: Any, **kwargs: Any) -> bool:
        return client_id == CLIENT

    def validate_redirect_uri(self, client_id: str, redirect_uri: str, request: Request, *args: Any, **kw: Any) -> bool:
        return redirect_uri == self.redirect

    def validate_response_type(self, client_id: str, response_type: str, *args: Any, **kwargs: Any) -> bool:
        return response_type == "code"

    def validate_scopes(self, client_id: str, scopes: list[str], *args: Any, **kwargs: Any) -> bool:
        return True

    def get_default_scopes(self, client_id: str, request: Request, *args: Any, **kwargs: Any) -> list[str]:
        return ["read"]

    def is_pkce_required(self, client_id: str, request: Request) -> bool:
        return True

    def save_authorization_code(
        self, client_id: str, code: dict[str, str], request: Request, *a: Any, **k: Any
    ) -> None:
        self.codes[code["code"]] = {
            "challenge": request.code_challenge, "method": request.code_challenge_method, "scopes": request.scopes
        }  # fmt: skip

    def authenticate_client(self, request: Request, *args: Any, **kwargs: Any) -> bool:
        pair = (request.client_id, request.client_secret)
        if header := request.headers.get("Authorization"):
            pair = tuple(base64.b64decode(header.removeprefix("Basic ")).decode().split(":", 1))
        request.client = type("Client", (), {"client_id": CLIENT})()
        return pair == (CLIENT, SECRET)

    def validate_code(self, client_id: str, code: str, client: Any, request: Request, *args: Any, **kw: Any) -> bool:
        held = self.codes.get(code)
        if held:
            request.scopes, request.user = held["scopes"], "octo"
        return held is not None

    def get_code_challenge(self, code: str, request: Request) -> str:
        return str(self.codes[code]["challenge"])

    def get_code_challenge_method(self, code: str, request: Request) -> str:
        return str(self.codes[code]["method"])

    def confirm_redirect_uri(self, client_id: str, code: str, redirect_uri: str, *args: Any, **kwargs: Any) -> bool:
        return redirect_uri == self.redirect

    def invalidate_authorization_code(self, client_id: str, code: str, *args: Any, **kwargs: Any) -> None:
        del self.codes[code]

    def validate_grant_type(self, client_id: str, grant_type: str, *args: Any, **kwargs: Any) -> bool:
        return grant_type in ("authorization_code", "refresh_token")

    def validate_refresh_token(self, refresh_token: str, *args: Any, **kwargs: Any) -> bool:
        return bool(self.refresh) and secrets.compare_digest(refresh_token, self.refresh)

    def get_original_scopes(self, refresh_token: str, request: Request, *args: Any, **kwargs: Any) -> list[str]:
        return ["read"]

    def is_within_original_scope(self, *args: Any, **kwargs: Any) -> bool:
        return True

    def save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any) -> str:
        self.refreshes += request.grant_type == "refresh_token"
        self.access, self.refresh = token["access_token"], token["refresh_token"]
        token["expires_in"] = self.lasts
        return self.redirect


class Host:
    """A host of the kind `provider` at `served`. `revoked`: what it was told to forget."""

    def __init__(self, served: Served, provider: Provider, redirect: str) -> None:
        self.served, self.provider, self.paths = served, provider, PATHS[provider]
        self.store = Store(redirect)
        self.revoked: list[str] = []
        self.before_token: Any = lambda: None
        self._server = WebApplicationServer(self.store, token_expires_in=lambda request: self.store.lasts)
        self._one = threading.Lock()
        served.pages = self.answer

    def sign_in(self, page: str, *, agrees: bool = True) -> str:
        """Somebody opens `page`, is octo there, and agrees: where they are sent. Raises for what the host refuses."""
        parts = urllib.parse.urlsplit(page)
        assert f"{parts.scheme}://{parts.netloc}" == self.served.url
        assert parts.path == self.paths.authorize
        scopes, _ = self._server.validate_authorization_request(page)
        if not agrees:
            state = urllib.parse.parse_qs(parts.query)["state"][0]
            return f"{self.store.redirect}?error=access_denied&state={state}"
        headers, _, _ = self._server.create_authorization_response(page, scopes=scopes, credentials={"user": "octo"})
        return str(headers["Location"])

    def revoke(self) -> None:
        """Octo takes it back on the host's pages."""
        self.store.access = self.store.refresh = ""
        self._let_in()

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> Answer | None:
        if path == self.paths.token:
            self.before_token()
            with self._one:
                told, content, status = self._server.create_token_response(
                    f"{self.served.url}{path}", method, body, headers
                )
                self._let_in()
                # GitHub says what it refuses with 200.
                status = 200 if self.provider == Provider.GITHUB else status
            return status, dict(told), content.encode()
        if path == self.paths.user:
            if headers.get("Authorization") != f"Bearer {self.store.access}":
                return 401, {}, b"{}"
            return 200, {"Content-Type": "application/json"}, json.dumps({self.paths.names[0]: "octo"}).encode()
        if self.paths.revoke and path == self.paths.revoke:
            self.revoked.append(urllib.parse.parse_qs(body)["token"][0])
            return 200, {}, b"{}"
        return None

    def _let_in(self) -> None:
        self.served.logins["/acme/"] = (USERNAMES[self.provider], self.store.access or secrets.token_hex(8))
