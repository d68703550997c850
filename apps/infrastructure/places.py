"""Which addresses an external service may have: none of the platform's own, and none that only a machine has."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress
from urllib.parse import urlsplit

from django.conf import settings

from apps.core.errors import Detail, Invalid
from apps.infrastructure import builtin

LONGEST = 253
SOON = 1.0  # seconds in which this machine has answered itself
METADATA = frozenset({"169.254.169.254", "fd00:ec2::254", "100.100.100.200"})


def check(host: str, port: int, *, field: str = "host", resolves: bool = True) -> str:
    """`host` as it is kept. Raises Invalid naming `field`. Private addresses are let through: operators alone ask.

    `resolves`: whether it has to have an address now.
    """
    host = host.strip().removeprefix("[").removesuffix("]")
    if not host or len(host) > LONGEST or "/" in host or "@" in host or any(c.isspace() for c in host):
        raise Invalid([Detail(field, "must be a host name or an IP address, such as db.example.com.")])
    found = addresses(host, port)
    if not found and resolves:
        raise Invalid([Detail(field, f"{host} has no address: is the name right?")])
    for address in found:
        _check_address(address, port, host, field)
    return host


def _check_address(text: str, port: int, host: str, field: str) -> None:
    address = ipaddress.ip_address(text)
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if str(address) in METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        raise Invalid([Detail(field, f"{host} is an address no server has.")])
    if address.is_loopback and str(address) not in ("127.0.0.1", "::1"):
        raise Invalid([Detail(field, f"{host} is where databases of this platform's own pods and services are.")])
    if (port in builtin.own_ports() and _is_here(str(address))) or (str(address), port) in _own():
        raise Invalid([Detail(field, f"{host}:{port} is a part of the platform itself, which nobody else uses.")])


def _own() -> set[tuple[str, int]]:
    """Where the settings have the platform's own database, Valkey and secret store."""
    config = settings.BRAINPOD
    found = set()
    for url, usual in ((config.database_url, 5432), (config.valkey_url, 6379), (config.vault_addr, 8200)):
        parts = urlsplit(url)
        if parts.hostname:
            port = parts.port or usual
            resolved = addresses(parts.hostname, port)
            found |= {(address, port) for address in resolved}
            if any(map(_is_here, resolved)):
                found |= {("127.0.0.1", port), ("::1", port)}
    return found


def addresses(host: str, port: int) -> set[str]:
    try:
        return {str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()


def outside() -> list[str]:
    """The addresses by which others reach this machine: those it would go out from. Nothing is sent for it."""
    found = []
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))
            found.append(probe.getsockname()[0])
    return found


def answers(address: str, port: int) -> bool:
    """Whether anything takes connections there."""
    try:
        with socket.create_connection((address, port), timeout=SOON):
            return True
    except OSError:
        return False


def _is_here(address: str) -> bool:
    """Whether this machine has it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
