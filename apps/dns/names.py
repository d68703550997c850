"""Domains as people type them, brought into the one form that is kept: A-labels, lower case, no dot at the end.

IDNA 2008 with the mapping of UTS 46, as browsers do it; public suffixes from the list that comes with its package.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable
from typing import NoReturn

import idna
from publicsuffixlist import PublicSuffixList

from apps.core.errors import Invalid

PROOF_LABEL = "_brainpod"  # beneath a domain, where its proof stands
LONGEST = 253 - len(PROOF_LABEL) - 1
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SPECIAL = frozenset({"localhost", "local", "invalid", "onion", "arpa", "alt"})  # never in the public DNS: RFC 6761 ff.


def normalise(text: str) -> str:
    """The domain that `text` means. Raises Invalid, saying what to write instead."""
    given = text.strip()
    _check_typed(given)
    ascii_name = _to_ascii(given)
    _check_labels(ascii_name)
    if is_public_suffix(ascii_name):
        raise Invalid(f"{shown(ascii_name)} is a public suffix, beneath which others register: add a name of yours.")
    return ascii_name


def check_free(name: str, own: Iterable[str]) -> None:
    """Raise Invalid for what is the platform's: one of `own` (its domain, its dashboard) or a name beneath."""
    for host in own:
        if is_beneath(name, host.lower()):
            raise Invalid(f"{shown(name)} is the platform's own: what is beneath {host} is given out by the platform.")


def shown(name: str) -> str:
    """`name` in Unicode, for people; as it is where that would not lead back to it."""
    try:
        decoded = idna.decode(name)
        return decoded if idna.encode(decoded).decode() == name else name
    except (idna.IDNAError, UnicodeError):
        return name


def zone_of(name: str) -> str:
    """What somebody registered that `name` is part of: example.co.uk of www.example.co.uk."""
    return _suffixes().privatesuffix(name) or name


def is_public_suffix(name: str) -> bool:
    return bool(_suffixes().is_public(name))


def is_beneath(name: str, parent: str) -> bool:
    """Whether `name` is `parent` or beneath it."""
    return name == parent or name.endswith(f".{parent}")


@functools.cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _check_typed(given: str) -> None:
    """What is no bare name at all, told from what it looks like."""
    if not given:
        raise Invalid("must not be empty: write a domain such as www.example.com.")
    if len(given) > 2000 or not given.isprintable():
        raise Invalid("must be a domain such as www.example.com, without line breaks and control characters.")
    if _SCHEME.match(given):
        raise Invalid("must be without https:// and what follows the name: write www.example.com alone.")
    if _is_address(given):
        raise Invalid("must be a name, not an IP address: certificates and proofs are for names.")
    if re.search(r"[/\\?#]", given):
        raise Invalid("must be without a path: write www.example.com alone, and the path into the route's rules.")
    if "@" in given:
        raise Invalid("must be a domain, not an e-mail address: write what follows the @.")
    if ":" in given:
        raise Invalid("must be without a port: the platform's ports are the same for every name.")
    if any(c.isspace() for c in given):
        raise Invalid("must be one domain without spaces: each has an entry of its own.")
    if "*" in given:
        raise Invalid("must not be a wildcard: add each name that is to answer.")
    if "_" in given:
        raise Invalid("must not contain an underscore: no web address may.")
    if "%" in given:
        raise Invalid("must be written plainly, without %-escapes.")


def _is_address(given: str) -> bool:
    bare = given.removeprefix("[").partition("]")[0].partition("%")[0]
    for candidate in (given, bare, given.rpartition(":")[0]):
        try:
            ipaddress.ip_address(candidate.strip("[]"))
        except ValueError:
            continue
        return True
    return False


def _to_ascii(given: str) -> str:
    try:
        # Mapped first: the dots of other scripts, full-width letters and upper case all have their plain forms.
        plain = idna.uts46_remap(given, std3_rules=False, transitional=False).removesuffix(".")
        if "" in plain.split("."):
            raise Invalid("must not have an empty part: there is a dot too many.")
        return idna.encode(plain, uts46=True, std3_rules=True).decode()
    except (idna.IDNAError, UnicodeError) as error:
        _refuse(given, str(error))


def _refuse(given: str, why: str) -> NoReturn:
    """In words for people; `why` is the library's."""
    labels = given.removesuffix(".").split(".")
    if any(label.startswith("-") or label.endswith("-") for label in labels):
        raise Invalid("must not have a part that begins or ends with a hyphen.") from None
    if "too long" in why:
        _too_long()
    if "hyphens in 3rd and 4th" in why:
        raise Invalid("must not have a part with two hyphens as its third and fourth characters.") from None
    if any(label.lower().startswith("xn--") for label in labels):
        raise Invalid("has a part beginning with xn-- that is no international name: write it in its own letters.")
    raise Invalid("must consist of letters, digits, hyphens and dots, such as www.example.com.") from None


def _too_long() -> NoReturn:
    raise Invalid(f"must be at most {LONGEST} characters, and 63 between two dots, as the DNS sees it.") from None


def _check_labels(name: str) -> None:
    labels = name.split(".")
    if len(name) > LONGEST:
        _too_long()
    if labels[-1] in _SPECIAL:
        raise Invalid(f"must not end with .{labels[-1]}: no such name is in the public DNS.")
    if _NUMBER.fullmatch(labels[-1]):
        raise Invalid("must be a name, not an IP address: certificates and proofs are for names.")
    if len(labels) < 2:
        raise Invalid("must have a dot: a whole domain such as www.example.com.")
