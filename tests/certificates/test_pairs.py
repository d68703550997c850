"""What may be uploaded, and the words for what may not."""

from __future__ import annotations

import datetime
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from apps.certificates import pairs
from apps.core.errors import Invalid

NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
PEM = serialization.Encoding.PEM


class Maker:
    """An authority, and what it issues."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self.signed("Authority", [], self.key, days=(-10, 1000), authority=True)

    def signed(
        self,
        common: str,
        names: list[str],
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey,
        *,
        days: tuple[int, int] = (-1, 90),
        authority: bool = False,
    ) -> x509.Certificate:
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority")])
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)]))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + datetime.timedelta(days=days[0]))
            .not_valid_after(NOW + datetime.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
        return made.sign(self.key, hashes.SHA256())


MAKER = Maker()
KEY = ec.generate_private_key(ec.SECP256R1())


def pem(*certificates: x509.Certificate) -> str:
    return "".join(one.public_bytes(PEM).decode() for one in certificates)


def key_text(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, passphrase: bytes = b""
) -> str:
    secret = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, secret).decode()


def leaf(names: list[str], **more: tuple[int, int]) -> x509.Certificate:
    return MAKER.signed("shop", names, KEY, **more)  # type: ignore[arg-type]


GOOD = pem(leaf(["shop.test", "*.shop.test"]), MAKER.certificate)


@pytest.mark.parametrize("host", ["shop.test", "www.shop.test"])
def test_a_good_one(host: str) -> None:
    pair = pairs.read(f"  \r\n{GOOD}\n", key_text(KEY), hosts=[host], now=NOW)
    assert pair.names == ("shop.test", "*.shop.test")
    assert pair.issuer == "Authority"
    assert pair.not_after == NOW + datetime.timedelta(days=90)
    assert pair.chain == GOOD


@pytest.mark.parametrize("size", [2048, 3072])
def test_keys_of_rsa(size: int) -> None:
    key = rsa.generate_private_key(65537, size)
    traditional = key.private_bytes(
        PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    pair = pairs.read(pem(MAKER.signed("x", ["a.test"], key)), traditional, hosts=["a.test"], now=NOW)
    assert "BEGIN PRIVATE KEY" in pair.key


def _refused(chain: str, key: str, host: str = "shop.test") -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        pairs.read(chain, key, hosts=[host], now=NOW)
    assert key[100:140] not in str(caught.value) or len(key) < 150
    return {detail.path: detail.message for detail in caught.value.details}


def test_what_is_refused_names_its_field() -> None:
    good = key_text(KEY)
    other = ec.generate_private_key(ec.SECP256R1())
    weak = rsa.generate_private_key(65537, 1024)
    edwards = ed25519.Ed25519PrivateKey.generate()
    cases = [
        ("", good, {"chain": "PEM"}),
        ("nonsense", good, {"chain": "PEM"}),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", good, {"chain": "PEM"}),
        (GOOD, "", {"key": "PEM"}),
        (GOOD, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", {"key": "PEM"}),
        (GOOD, GOOD, {"key": "PEM"}),
        (GOOD + good, good, {"chain": "private key"}),
        (GOOD, key_text(KEY, b"passphrase"), {"key": "passphrase"}),
        (GOOD, key_text(other), {"key": "does not belong"}),
        (pem(leaf(["other.test"])), good, {"chain": "does not cover"}),
        (pem(leaf([])), good, {"chain": "does not cover"}),
        (pem(leaf(["shop.test"], days=(-90, -1))), good, {"chain": "expired"}),
        (pem(leaf(["shop.test"], days=(1, 90))), good, {"chain": "counts only from"}),
        (pem(leaf(["shop.test"]), leaf(["x.test"])), good, {"chain": "out of place"}),
        (pem(leaf(["shop.test"]), *[MAKER.certificate] * 10), good, {"chain": "at most 10"}),
        (pem(MAKER.signed("x", ["shop.test"], weak)), key_text(weak), {"key": "too weak"}),
        (pem(MAKER.signed("x", ["shop.test"], edwards)), key_text(edwards), {"key": "too weak"}),
        ("A" * 100_001, good, {"chain": "at most"}),
        (GOOD, "A" * 100_001, {"key": "at most"}),
    ]
    for chain, key, expected in cases:
        found = _refused(chain, key)
        for field, words in expected.items():
            assert words in found.get(field, ""), (words, found)
        assert found.keys() == expected.keys(), (expected, found)


def test_a_wildcard_covers_one_label() -> None:
    names = ["*.shop.test"]
    assert pairs.covers(names, "www.shop.test")
    assert not pairs.covers(names, "a.www.shop.test")
    assert not pairs.covers(names, "shop.test")


def test_both_fields_are_named_at_once() -> None:
    assert _refused("x", "y").keys() == {"chain", "key"}


def test_openssl_thinks_so_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("pair")
    pair = pairs.read(GOOD, key_text(KEY), hosts=["shop.test"], now=NOW)
    (place / "chain.pem").write_text(pair.chain)
    (place / "key.pem").write_text(pair.key)
    shown = [
        subprocess.run(["openssl", *words], cwd=place, capture_output=True, text=True, check=True).stdout
        for words in (["x509", "-in", "chain.pem", "-noout", "-pubkey"], ["pkey", "-in", "key.pem", "-pubout"])
    ]
    assert shown[0] == shown[1] != ""
