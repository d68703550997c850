"""One request to an address that a user named: to where it was found to lead, once, briefly, little of the answer.

The name is looked up once; every address found has to be public (or allowed by the operator), and the connection is
made to these and to nothing else, so that a name that leads elsewhere a moment later leads nobody astray.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import os
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpx

from apps.core.addresses import Network, resolve_public
from apps.core.errors import Detail, Invalid

SECONDS = 10.0  # for all of it, from the connection to the last byte that is read
MOST = 3  # addresses of a name that are tried
LARGEST = 4096  # bytes of an answer that are read
PORTS = {"https": 443, "http": 80}
LOWEST = 1024  # ports beneath belong to other protocols, but for the two above


class Unanswered(Exception):
    """No answer came, in words."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart. `host`: as it is looked up; `authority`: as it stands in the URL."""

    url: str
    scheme: str
    host: str
    port: int
    authority: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


def parse(url: str, *, field: str = "url") -> Target:
    """`url` taken apart, if it is one that may be sent to; nothing is looked up. Raises Invalid naming `field`."""
    if len(url) > 1000 or not url.isascii() or any(ord(c) <= 32 or ord(c) == 127 or c == "\\" for c in url):
        raise _wrong(field, "must be an address of at most 1000 plain characters, such as https://example.com/hook.")
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        raise _wrong(field, "is not an address; https://example.com/hook is one.") from None
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    if scheme not in PORTS or not host:
        raise _wrong(field, "must begin with https:// and have a host, such as https://example.com/hook.")
    if "@" in parts.netloc:
        raise _wrong(field, "must not have a user name or password before the host.")
    if parts.fragment or "#" in url:
        raise _wrong(field, "must not have a part after #: it is never sent.")
    number = PORTS[scheme] if port is None else port
    if number not in PORTS.values() and number < LOWEST:
        raise _wrong(field, f"must have port 443, 80, or one from {LOWEST} on.")
    return Target(url, scheme, host.rstrip("."), number, parts.netloc)


def look_up(target: Target, allowed: Iterable[Network], *, field: str = "url") -> list[str]:
    """The addresses that may be connected to. Plain http goes to the operator's own networks alone.

    Raises Invalid naming `field`.
    """
    nets = tuple(allowed)
    found = resolve_public(target.host, target.port, field=field, allowed=nets)
    if target.scheme == "http":
        for text in found:
            ip = ipaddress.ip_address(text.partition("%")[0])
            if not any(ip.version == net.version and ip in net for net in nets):
                raise _wrong(field, "must begin with https://: others could read along, and change what is sent.")
    return found


def post(target: Target, body: bytes, headers: Mapping[str, str], *, allowed: Iterable[Network] = ()) -> Answer:
    """What `target` answers to `body`. Redirects are not followed. Raises Unanswered."""
    try:
        found = look_up(target, allowed)
    except Invalid as error:
        raise Unanswered(error.details[0].message) from None
    addresses = sorted(found, key=lambda text: ":" in text)[:MOST]  # many hosts have no way out for IPv6
    began = time.monotonic()
    try:
        return asyncio.run(asyncio.wait_for(_first(target, addresses, body, headers), SECONDS))
    except TimeoutError:
        raise Unanswered(f"It did not answer within {time.monotonic() - began:.0f} seconds.") from None
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
        raise Unanswered(f"It does not answer: {_reason(error)}.") from None


async def _first(target: Target, addresses: list[str], body: bytes, headers: Mapping[str, str]) -> Answer:
    """Of the first address that is connected to."""
    *others, last = addresses
    for address in others:
        try:
            return await _exchange(target, address, body, headers)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            continue
    return await _exchange(target, last, body, headers)


async def _exchange(target: Target, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    pinned = httpx.URL(target.url).copy_with(host=address)
    given = {"User-Agent": "Brainpod", "Accept-Encoding": "identity", **headers, "Host": target.authority}
    options = {"sni_hostname": target.host}
    async with (
        httpx.AsyncClient(
            verify=_trust(), trust_env=False, proxy=_proxy(target), follow_redirects=False,
            timeout=httpx.Timeout(SECONDS, connect=SECONDS / 3),
        ) as client,
        client.stream("POST", pinned, content=body, headers=given, extensions=options) as answer,
    ):  # fmt: skip
        held = b""
        async for chunk in answer.aiter_raw(LARGEST):
            held += chunk
            if len(held) >= LARGEST:
                break
        return Answer(answer.status_code, dict(answer.headers), held[:LARGEST].decode(errors="replace"))


@functools.cache
def _trust() -> ssl.SSLContext:
    """The certificates that git trusts."""
    return ssl.create_default_context(cafile=os.environ.get("GIT_SSL_CAINFO") or None)


def _proxy(target: Target) -> str | None:
    """The way out that the environment names; it is asked for the address that was checked, not for the name."""
    if urllib.request.proxy_bypass_environment(f"{target.host}:{target.port}"):  # type: ignore[attr-defined]
        return None
    return urllib.request.getproxies_environment().get(target.scheme)


def _reason(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not valid ({cause.verify_message})"
        cause = cause.__cause__ or cause.__context__
    return {
        "ConnectError": "the connection was refused",
        "ReadError": "it ended the connection",
        "RemoteProtocolError": "what it says is no HTTP",
    }.get(type(error).__name__, type(error).__name__)


def _wrong(field: str, message: str) -> Invalid:
    return Invalid([Detail(field, message)])
