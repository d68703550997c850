"""What is found in the DNS, held against what is expected. Pure.

Two records are proof for one team alone: a TXT record with its token, and a CNAME to a name with its token. Addresses
only say that the domain leads here: who else might be meant is looked at besides (apps/pods/domains/settling.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from apps.dns.lookup import Found
from apps.dns.names import is_beneath

Proof = Literal["", "txt", "cname", "address"]


@dataclass(frozen=True, slots=True)
class Expected:
    """`own`: the host names that the platform assigned to the pod. `trusted`: the addresses that only this platform
    has, by its setting; `addresses`: those it is reached at, as far as known. `domain`: the platform's.
    """

    text: str
    target: str
    own: frozenset[str] = frozenset()
    domain: str = "localhost"
    trusted: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`here`: visitors of the domain come to this platform."""

    proof: Proof
    here: bool

    @property
    def strong(self) -> bool:
        """Whether the proof is for this team alone."""
        return self.proof in ("txt", "cname")


def judge(found: Found, expected: Expected) -> Verdict:
    chain, addresses = set(found.chain), set(found.addresses)
    here = expected.target in chain or bool(chain & expected.own)
    here = here or (bool(addresses) and addresses <= expected.addresses | expected.trusted)
    if names(found, expected):
        return Verdict("txt" if expected.text in found.texts else "cname", here)
    # A CNAME to another pod, or to another team's name, says that it is not meant for this one.
    elsewhere = any(is_beneath(name, expected.domain) and name not in expected.own for name in chain)
    if addresses and addresses <= expected.trusted and not elsewhere:
        return Verdict("address", here)
    return Verdict("", here)


def names(found: Found, expected: Expected) -> bool:
    """Whether a record names the team that `expected` is of."""
    return expected.text in found.texts or expected.target in found.chain
