"""Requests to a host that a user names: to the address that was checked, once, briefly, and little of its answer."""

from __future__ import annotations

import json
import os
import ssl
import time
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from apps.core.addresses import Network, resolve_public
from apps.core.errors import UserError
from apps.sources.urls import ParsedUrl

SECONDS = 10.0
LARGEST = 64 * 1024  # bytes of an answer that are read


def post(
    at: ParsedUrl, body: Mapping[str, Any], headers: Mapping[str, str], *, allowed: Iterable[Network] = ()
) -> tuple[int, Any]:
    """`body` as JSON; the status and the JSON (None if it is none) that `at` answers. Raises as `ask`."""
    headers = {**headers, "Content-Type": "application/json"}
    return ask("POST", at, headers, json.dumps(dict(body)).encode(), allowed=allowed)


def ask(
    method: str, at: ParsedUrl, headers: Mapping[str, str], content: bytes = b"", *, allowed: Iterable[Network] = (),
    query: str = "", largest: int = LARGEST,
) -> tuple[int, Any]:  # fmt: skip
    """The status and the JSON (None if it is none) that `at` answers; redirects are not followed.

    `query`: what follows the address's question mark, encoded. `largest`: bytes of the answer.
    Raises Invalid naming `host` for a private address, UserError("source_unreachable").
    """
    address = resolve_public(at.host, at.port, field="host", allowed=allowed)[0]
    authority = at.url.split("/", 3)[2]
    proxy = _proxy(at)
    # A proxy of the machine looks the name up for itself, as it does for git.
    asked = httpx.URL(f"{at.url}?{query}" if query else at.url)
    target = asked if proxy else asked.copy_with(host=address)
    # The certificates git trusts.
    trust = ssl.create_default_context(cafile=os.environ.get("GIT_SSL_CAINFO") or None)
    deadline = time.monotonic() + SECONDS
    try:
        with (
            httpx.Client(
                verify=trust, trust_env=False, proxy=proxy, follow_redirects=False, timeout=SECONDS
            ) as client,
            client.stream(
                method, target, content=content, headers={**headers, "Host": authority},
                extensions={"sni_hostname": at.host},
            ) as answer,
        ):  # fmt: skip
            held = b""
            for chunk in answer.iter_bytes(8192):
                held += chunk
                if len(held) > largest or time.monotonic() > deadline:
                    raise _unreachable(at, "its answer is too long")
            return answer.status_code, _read(held)
    except (httpx.HTTPError, ssl.SSLError) as error:
        raise _unreachable(at, str(error) or type(error).__name__) from None


def _proxy(at: ParsedUrl) -> str | None:
    """The way out that the environment names for `at`."""
    if urllib.request.proxy_bypass_environment(f"{at.host}:{at.port}"):  # type: ignore[attr-defined]
        return None
    return urllib.request.getproxies_environment().get("https")


def _read(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _unreachable(at: ParsedUrl, why: str) -> UserError:
    hint = "Try again in a minute; if it stays, check that the host is up and its certificate is valid."
    return UserError("source_unreachable", f"{at.host} does not answer as it should.", f"{hint} ({why[:200]})")
