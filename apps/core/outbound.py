"""One request to an address that somebody named: to where it was found to lead, once, briefly, little of the answer.

Who calls has looked the name up and checked what was found (`addresses.resolve_public`). The connection is made to
these addresses and to nothing else, so that a name that leads elsewhere a moment later leads nobody astray.
"""

from __future__ import annotations

import asyncio
import functools
import os
import ssl
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

MOST = 3  # addresses of a name that are tried


class Unanswered(Exception):
    """No answer came, or none that can be read, in words."""


@dataclass(frozen=True, slots=True)
class Request:
    """`authority`: the host, and port if need be, as it stands in the URL.

    `by_name`: a proxy of the machine is asked for the name, as git asks it, rather than for the address that was
    checked: such a proxy may know names that this machine does not, and decide by them what it lets through.
    """

    method: str
    url: str
    host: str
    port: int
    authority: str
    headers: Mapping[str, str]
    content: bytes = b""
    by_name: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """`content`: what was read of it; `whole`: whether that is all."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    whole: bool


def send(request: Request, addresses: Sequence[str], *, seconds: float, largest: int) -> Answer:
    """The answer of the first of `addresses` that is connected to; redirects are not followed.

    `seconds`: for all of it, from the connection to the last byte that is read. `largest`: bytes that are read.
    Raises Unanswered.
    """
    tried = sorted(addresses, key=lambda text: ":" in text)[:MOST]  # many hosts have no way out for IPv6
    began = time.monotonic()
    try:
        return asyncio.run(asyncio.wait_for(_first(request, tried, seconds, largest), seconds))
    except TimeoutError:
        raise Unanswered(f"It did not answer within {time.monotonic() - began:.0f} seconds.") from None
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
        raise Unanswered(f"It does not answer: {_reason(error)}.") from None


async def _first(request: Request, addresses: list[str], seconds: float, largest: int) -> Answer:
    *others, last = addresses
    for address in others:
        try:
            return await _exchange(request, address, seconds, largest)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            continue
    return await _exchange(request, last, seconds, largest)


async def _exchange(request: Request, address: str, seconds: float, largest: int) -> Answer:
    proxy = _proxy(request)
    url = httpx.URL(request.url)
    pinned = url if proxy and request.by_name else url.copy_with(host=address)
    given = {"User-Agent": "Brainpod", "Accept-Encoding": "identity", **request.headers, "Host": request.authority}
    async with (
        httpx.AsyncClient(
            verify=_trust(os.environ.get("GIT_SSL_CAINFO") or None), trust_env=False, proxy=proxy,
            follow_redirects=False, timeout=httpx.Timeout(seconds, connect=seconds / 3),
        ) as client,
        client.stream(
            request.method, pinned, content=request.content, headers=given,
            extensions={"sni_hostname": request.host},
        ) as answer,
    ):  # fmt: skip
        held = b""
        async for chunk in answer.aiter_raw(8192):
            held += chunk
            if len(held) > largest:
                break
        return Answer(answer.status_code, dict(answer.headers), held[:largest], whole=len(held) <= largest)


@functools.lru_cache(maxsize=4)
def _trust(authorities: str | None) -> ssl.SSLContext:
    """The certificates that git trusts."""
    return ssl.create_default_context(cafile=authorities)


def _proxy(request: Request) -> str | None:
    """The way out that the environment names."""
    if urllib.request.proxy_bypass_environment(f"{request.host}:{request.port}"):  # type: ignore[attr-defined]
        return None
    return urllib.request.getproxies_environment().get(request.url.partition(":")[0].lower())


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
