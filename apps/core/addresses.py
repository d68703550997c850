"""Which addresses of the outside the platform connects to on a user's behalf: public ones only."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from apps.core.errors import Detail, Invalid

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def endpoint(text: str, usual: int) -> tuple[str, int]:
    """Address and port of `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`. Raises ValueError."""
    text = text.strip()
    address, port = text, ""
    if text.startswith("[") or text.count(":") == 1:
        address, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    address = address.removeprefix("[").removesuffix("]")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} has no port such as 53 after its colon")
    return str(ipaddress.ip_address(address)), int(port) if port else usual


def is_public(address: str) -> bool:
    """Whether `address` is globally routable, however it is wrapped (IPv4-mapped, 6to4, NAT64, Teredo)."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip.ipv4_mapped or ip.sixtofour:
            ip = ip.ipv4_mapped or ip.sixtofour  # type: ignore[assignment]
        elif ip.teredo:
            ip = ip.teredo[1]
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def resolve_public(host: str, port: int, *, field: str = "url", allowed: Iterable[Network] = ()) -> list[str]:
    """The addresses of `host`, every one public or in `allowed`; the caller connects to these, not to the name.

    Raises Invalid naming `field` when the name does not resolve or any address is private.
    """
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        raise Invalid([Detail(field, f"{host} has no address: is the name right?")]) from None
    for address in found:
        ip = ipaddress.ip_address(address.partition("%")[0])
        if not is_public(str(ip)) and not any(ip.version == net.version and ip in net for net in allowed):
            raise Invalid([Detail(field, f"{host} leads to a private address, which is not reached from here.")])
    return sorted(found)
