"""A certificate with those above it, and its private key: whether they can serve a name. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from apps.core.errors import Detail, Invalid

LONGEST = 100_000  # characters of PEM
LEAST_RSA = 2048  # bits
MOST = 10  # certificates of a chain


@dataclass(frozen=True, slots=True)
class Pair:
    """`chain` begins with the certificate itself; `key` is PKCS 8. Both PEM, in a normal form."""

    chain: str
    key: str
    names: tuple[str, ...]
    issuer: str
    fingerprint: str
    not_before: datetime.datetime
    not_after: datetime.datetime


def read(chain: str, key: str, *, hosts: Sequence[str], now: datetime.datetime) -> Pair:
    """What `chain` and `key` are. Raises Invalid whose details name the field: they cannot serve `hosts` now."""
    wrong: list[Detail] = []
    certificates = _certificates(chain, wrong)
    private = _private(key, wrong)
    if certificates:
        wrong += _checked(certificates, hosts, now)
    if certificates and private is not None and not _fits(certificates[0], private):
        wrong.append(Detail("key", "does not belong to this certificate: its public half is another one."))
    if wrong or private is None:
        raise Invalid(wrong)
    leaf = certificates[0]
    return Pair(
        chain="".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates),
        key=private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        names=tuple(names_of(leaf)),
        issuer=_issuer(leaf),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )


def belong(chain: str, key: str, *, fingerprint: str) -> bool:
    """Whether `chain` can be read and begins with the certificate of `fingerprint`, and `key` is its key."""
    wrong: list[Detail] = []
    certificates, private = _certificates(chain, wrong), _private(key, wrong)
    if wrong or not certificates or private is None:
        return False
    return certificates[0].fingerprint(hashes.SHA256()).hex() == fingerprint and _fits(certificates[0], private)


def names_of(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [name.lower() for name in found.get_values_for_type(x509.DNSName)]


def covers(names: Iterable[str], host: str) -> bool:
    """Whether one of `names` stands for `host`; a wildcard does for exactly one label."""
    return bool({host, f"*.{host.partition('.')[2]}"} & set(names))


def _certificates(text: str, wrong: list[Detail]) -> list[x509.Certificate]:
    if "PRIVATE KEY" in text:
        wrong.append(Detail("chain", "has a private key in it: that belongs into the other field."))
        return []
    if len(text) > LONGEST:
        wrong.append(Detail("chain", f"must be at most {LONGEST} characters."))
        return []
    try:
        found = x509.load_pem_x509_certificates(text.encode())
        for one in found:
            one.public_key()
    except (ValueError, UnsupportedAlgorithm):
        words = "must be certificates in PEM: from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----."
        wrong.append(Detail("chain", words))
        return []
    return found


Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def _private(text: str, wrong: list[Detail]) -> Private | None:
    if len(text) > LONGEST:
        wrong.append(Detail("key", f"must be at most {LONGEST} characters."))
        return None
    try:
        found = serialization.load_pem_private_key(text.encode(), password=None)
    except TypeError:
        wrong.append(Detail("key", "is protected by a passphrase: take that off, as openssl pkey does."))
        return None
    except (ValueError, UnsupportedAlgorithm):
        wrong.append(Detail("key", "must be a private key in PEM: from -----BEGIN PRIVATE KEY----- to its END."))
        return None
    if isinstance(found, rsa.RSAPrivateKey) and found.key_size >= LEAST_RSA:
        return found
    if isinstance(found, ec.EllipticCurvePrivateKey) and found.curve.name in ("secp256r1", "secp384r1", "secp521r1"):
        return found
    wrong.append(Detail("key", f"is too weak or of a kind browsers do not take: RSA of {LEAST_RSA} bits, or P-256."))
    return None


def _fits(leaf: x509.Certificate, key: Private) -> bool:
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return leaf.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)


def _checked(chain: list[x509.Certificate], hosts: Sequence[str], now: datetime.datetime) -> Iterator[Detail]:
    leaf = chain[0]
    names = names_of(leaf)
    missing = [host for host in hosts if not covers(names, host)]
    if missing:
        shown = ", ".join(names[:5]) or "no name"
        yield Detail("chain", f"does not cover {', '.join(missing)}: the first certificate is for {shown}.")
    if leaf.not_valid_after_utc <= now:
        yield Detail("chain", f"expired on {leaf.not_valid_after_utc:%d %B %Y}.")
    if leaf.not_valid_before_utc > now:
        yield Detail("chain", f"counts only from {leaf.not_valid_before_utc:%d %B %Y %H:%M} UTC on.")
    if len(chain) > MOST:
        yield Detail("chain", f"must be at most {MOST} certificates.")
    for index, (below, above) in enumerate(pairwise(chain), start=2):
        if not _signed(below, above):
            yield Detail("chain", f"has certificate {index} out of place: it did not sign the one before it.")
            return
    if isinstance(leaf.signature_hash_algorithm, hashes.MD5 | hashes.SHA1):
        yield Detail("chain", "is signed with SHA-1 or MD5, which browsers refuse.")


def _signed(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _issuer(leaf: x509.Certificate) -> str:
    """Who signed it, as people call them."""
    by = leaf.issuer.rdns
    said = {part.rfc4514_attribute_name: str(part.value) for rdn in by for part in rdn}
    words = " ".join(filter(None, (said.get("O"), said.get("CN")))) or "nobody named"
    return ("self-signed" if leaf.issuer == leaf.subject else words)[:300]
