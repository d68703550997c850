"""A DNS server that takes updates signed with a shared key (RFC 2136, TSIG)."""

from __future__ import annotations

import binascii
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update

from apps.core.errors import UserError

TTL = 60
SECONDS = 15.0
HINT = "An operator checks the zone, its server and its key on the operators' pages."


@dataclass(frozen=True, slots=True)
class Server:
    """`secret`: base64."""

    address: str
    port: int
    zone: str
    key_name: str
    algorithm: str
    secret: str

    def present(self, record: str, value: str) -> None:
        """Raises UserError("acme_dns_provider")."""
        self._change(lambda update, name: update.add(name, TTL, "TXT", f'"{value}"'), record)

    def remove(self, record: str, value: str) -> None:
        """Raises UserError("acme_dns_provider")."""
        self._change(lambda update, name: update.delete(name, "TXT", f'"{value}"'), record)

    def _change(self, change: Callable[[dns.update.UpdateMessage, dns.name.Name], object], record: str) -> None:
        try:
            keys = dns.tsigkeyring.from_text({self.key_name: self.secret})
            update = dns.update.UpdateMessage(self.zone, keyring=keys, keyalgorithm=self.algorithm)
            change(update, dns.name.from_text(record))
            answer = dns.query.tcp(update, self.address, timeout=SECONDS, port=self.port)
        except (dns.exception.DNSException, OSError, EOFError, ValueError, binascii.Error) as error:
            raise _refused(self, str(error) or type(error).__name__) from None
        if answer.rcode() != dns.rcode.NOERROR:
            raise _refused(self, dns.rcode.to_text(answer.rcode()))


def _refused(server: Server, why: str) -> UserError:
    return UserError("acme_dns_provider", f"The DNS server of {server.zone} did not take the record: {why}.", HINT)


def address_of(text: str) -> tuple[str, int]:
    """`192.0.2.1`, `192.0.2.1:53`, `[2001:db8::1]:53`. Raises ValueError: a name would have to be looked up first."""
    host, port = text, "53"
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed:
            raise ValueError("its bracket is not closed")
        port = rest.removeprefix(":") or "53"
    elif text.count(":") == 1:
        host, port = text.split(":")
    if not (port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError("the port must be from 1 to 65535")
    return str(ipaddress.ip_address(host)), int(port)
