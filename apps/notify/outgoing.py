"""Where a user may have something sent to, and sending it there."""

from __future__ import annotations

import ipaddress
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from apps.core import outbound
from apps.core.addresses import Network, resolve_public
from apps.core.errors import Detail, Invalid
from apps.core.outbound import Answer, Unanswered

SECONDS = 10.0
LARGEST = 4096  # bytes of an answer that are read
PORTS = {"https": 443, "http": 80}
LOWEST = 1024  # ports beneath belong to other protocols, but for the two above


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart. `host`: as it is looked up; `authority`: as it stands in the URL."""

    url: str
    scheme: str
    host: str
    port: int
    authority: str


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
    """What `target` answers to `body`; of a long answer the beginning. Raises Unanswered."""
    try:
        found = look_up(target, allowed)
    except Invalid as error:
        raise Unanswered(error.details[0].message) from None
    request = outbound.Request("POST", target.url, target.host, target.port, target.authority, headers, body)
    return outbound.send(request, found, seconds=SECONDS, largest=LARGEST)


def _wrong(field: str, message: str) -> Invalid:
    return Invalid([Detail(field, message)])
