"""What the DNS says of a domain, asked of a resolver within a time limit. Nothing is sent to where a name leads."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

from apps.dns.names import PROOF_LABEL, is_public_suffix

SECONDS = 10.0  # all questions about one domain together
MOST = 20  # records of a kind that are looked at
LONGEST = 255  # characters of a text that are
Endpoint = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Found:
    """`trouble`, in words, when nobody answered: then nothing else counts.

    `texts`: of `_brainpod.<domain>` itself; `alias`: where that leads instead, which proves nothing. `chain`: the
    CNAMEs from the domain on. `wildcard`: a name beside it that nobody made leads to the same place.
    """

    texts: tuple[str, ...] = ()
    alias: str = ""
    chain: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    wildcard: bool = False
    trouble: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Found:
        given = stored or {}
        lists = {name: tuple(given.get(name, ())) for name in ("texts", "chain", "addresses")}
        return cls(
            alias=given.get("alias", ""),
            wildcard=given.get("wildcard", False),
            trouble=given.get("trouble", ""),
            **lists,
        )


class Silent(Exception):
    """Nobody answered, or nobody could; the words say which."""


def look_up(domain: str, *, resolvers: Iterable[Endpoint] = (), seconds: float = SECONDS) -> Found:
    """All that there is to know of `domain`, in at most `seconds`. Never raises for what the DNS does.

    `resolvers`: whom to ask, in order; the system's without.
    """
    try:
        asker = _Asker(resolvers, seconds)
        texts = asker.ask(f"{PROOF_LABEL}.{domain}", "TXT")
        chain, addresses = asker.way(domain)
        alias = texts.chain[-1] if texts.chain else ""
        found = Found(() if alias else texts.values, alias, chain, addresses)
        parent = domain.partition(".")[2]
        if not found.addresses or is_public_suffix(parent):
            return found
        _, others = asker.way(f"{secrets.token_hex(8)}.{parent}")
        return replace(found, wildcard=others == addresses)
    except Silent as error:
        return Found(trouble=str(error))


def addresses_of(host: str, *, resolvers: Iterable[Endpoint] = (), seconds: float = SECONDS) -> tuple[str, ...]:
    """Where `host` leads, in order; nothing where nobody answers."""
    try:
        return _Asker(resolvers, seconds).way(host)[1]
    except Silent:
        return ()


@dataclass(frozen=True, slots=True)
class _Answer:
    chain: tuple[str, ...]
    values: tuple[str, ...]


class _Asker:
    """A resolver with one time limit for all its questions."""

    def __init__(self, resolvers: Iterable[Endpoint], seconds: float) -> None:
        given = [dns.nameserver.Do53Nameserver(address, port) for address, port in resolvers]
        try:
            self._resolver = dns.resolver.Resolver(configure=not given)
        except dns.resolver.NoResolverConfiguration:
            raise Silent("no resolver is set up on this machine") from None
        if given:
            self._resolver.nameservers = list(given)
        self._resolver.timeout = min(3.0, seconds)
        self._until = time.monotonic() + seconds

    def way(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The CNAMEs from `name` on, and the addresses at the end of them."""
        fourth, sixth = self.ask(name, "A"), self.ask(name, "AAAA")
        return fourth.chain or sixth.chain, tuple(sorted(fourth.values + sixth.values))

    def ask(self, name: str, kind: str) -> _Answer:
        left = self._until - time.monotonic()
        if left <= 0:
            raise Silent("the resolver did not answer in time")
        asked = dns.name.from_text(name)
        try:
            answer = self._resolver.resolve(asked, kind, search=False, raise_on_no_answer=False, lifetime=left)
            return _read(answer.response, kind)
        except dns.resolver.NXDOMAIN as error:
            return _read(error.response(asked), kind)
        except dns.exception.Timeout:
            raise Silent("the resolver did not answer in time") from None
        except (dns.exception.DNSException, OSError, ValueError):
            raise Silent("the name servers of this domain did not answer, or not well") from None


def _read(response: dns.message.Message, kind: str) -> _Answer:
    if not isinstance(response, dns.message.QueryMessage):
        raise Silent("the resolver answered something else")
    chained = response.resolve_chaining()
    chain = tuple(_plain(item.target) for rrset in chained.cnames for item in rrset)
    records = list(chained.answer or ())[:MOST]
    if kind == "TXT":
        texts = (b"".join(record.strings).decode("ascii", "replace")[:LONGEST] for record in records)
        return _Answer(chain, tuple(sorted(texts)))
    return _Answer(chain, tuple(str(record.address) for record in records))


def _plain(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
